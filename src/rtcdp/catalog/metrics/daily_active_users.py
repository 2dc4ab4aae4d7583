"""How many people came today."""

from rtcdp.definitions import Distinct, Metric, tumbling

METRIC = Metric(
    name="daily_active_users",
    title="Daily active users",
    description="How many different users, and different visits of theirs, there were in each day.",
    window=tumbling(days=1),
    measures=(Distinct("active_users", "userId"), Distinct("visits", "sessionId")),
)
