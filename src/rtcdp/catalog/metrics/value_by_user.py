"""Who the best customers are."""

from rtcdp.definitions import Count, Maximum, Metric, Sum, event_type, tumbling
from rtcdp.events.event import PURCHASE

METRIC = Metric(
    name="value_by_user",
    title="Value by user",
    description="What each user spent in each day, in how many orders, and the largest of them.",
    predicate=event_type(PURCHASE),
    key=("userId",),
    window=tumbling(days=1),
    measures=(Sum("value"), Count("order_count"), Maximum("largest_order")),
)
