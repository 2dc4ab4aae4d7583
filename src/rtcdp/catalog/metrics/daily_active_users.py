"""How many people came today."""

from rtcdp.vocabulary.measure import Distinct
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.window import tumbling

METRIC = Metric(
    name="daily_active_users",
    title="Daily active users",
    description="How many different users, and different visits of theirs, there were in each day.",
    window=tumbling(days=1),
    measures=(Distinct("active_users", "userId"), Distinct("visits", "sessionId")),
)
