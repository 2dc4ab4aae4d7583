"""How the buying goes, hour by hour."""

from rtcdp.events.event import PURCHASE
from rtcdp.vocabulary.measure import Count, Distinct
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.predicate import event_type
from rtcdp.vocabulary.window import tumbling

METRIC = Metric(
    name="orders",
    title="Orders",
    description="How many orders came in each hour, and from how many different users.",
    predicate=event_type(PURCHASE),
    window=tumbling(hours=1),
    measures=(Count("order_count"), Distinct("buyers", "userId")),
)
