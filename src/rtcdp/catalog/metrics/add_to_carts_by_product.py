"""What people want."""

from rtcdp.definitions import Count, Metric, event_type, tumbling
from rtcdp.events.event import ADD_TO_CART

METRIC = Metric(
    name="add_to_carts_by_product",
    title="Carts by product",
    description="How often each product was put into a cart in each hour.",
    predicate=event_type(ADD_TO_CART),
    key=("productId",),
    window=tumbling(hours=1),
    measures=(Count("add_to_cart_count"),),
)
