"""How the buying goes, hour by hour."""

from rtcdp.definitions import Alarms, Count, Distinct, Metric, event_type, tumbling
from rtcdp.events.event import PURCHASE

METRIC = Metric(
    name="orders",
    title="Orders",
    description="How many orders came in each hour, and from how many different users.",
    predicate=event_type(PURCHASE),
    window=tumbling(hours=1),
    measures=(Count("order_count"), Distinct("buyers", "userId")),
    alarms=Alarms(),
)
