"""What the shop earns, by what it sells."""

from rtcdp.definitions import Count, Metric, Product, Sum, event_type, tumbling
from rtcdp.events.event import PURCHASE

METRIC = Metric(
    name="revenue_by_category",
    title="Revenue by category",
    description="What was earned in each minute with the products of each category, as of the time"
    " of the purchase.",
    predicate=event_type(PURCHASE),
    key=(Product("category"),),
    window=tumbling(minutes=1),
    measures=(Sum("revenue"), Count("purchase_count")),
)
