"""How many people are here."""

from rtcdp.vocabulary.measure import Distinct
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.window import tumbling

METRIC = Metric(
    name="active_users",
    title="Active users",
    description="How many different users did anything at all in each minute.",
    window=tumbling(minutes=1),
    measures=(Distinct("active_users", "userId"),),
)
