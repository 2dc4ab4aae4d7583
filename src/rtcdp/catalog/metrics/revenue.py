"""What the shop earns."""

from rtcdp.definitions import Average, Count, Maximum, Metric, Minimum, Sum, event_type, tumbling
from rtcdp.events.event import PURCHASE

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
