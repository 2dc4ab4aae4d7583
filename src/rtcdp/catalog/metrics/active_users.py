"""How many people are here."""

from rtcdp.definitions import Distinct, Metric, tumbling

METRIC = Metric(
    name="active_users",
    title="Active users",
    description="How many different users did anything at all in each minute.",
    window=tumbling(minutes=1),
    measures=(Distinct("active_users", "userId"),),
)
