"""What the shop earns."""

from rtcdp.events.event import PURCHASE
from rtcdp.vocabulary.measure import Average, Count, Maximum, Minimum, Sum
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.predicate import event_type
from rtcdp.vocabulary.window import tumbling

METRIC = Metric(
    name="revenue",
    title="Revenue",
    description="What was earned in each minute, from how many orders, and how large these were.",
    predicate=event_type(PURCHASE),
    window=tumbling(minutes=1),
    measures=(
        Sum("revenue"),
        Count("order_count"),
        Average("average_order_value"),
        Minimum("smallest_order"),
        Maximum("largest_order"),
    ),
)
