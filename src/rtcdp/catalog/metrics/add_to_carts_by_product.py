"""What people want."""

from rtcdp.events.event import ADD_TO_CART
from rtcdp.vocabulary.measure import Count
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.predicate import event_type
from rtcdp.vocabulary.window import tumbling

METRIC = Metric(
    name="add_to_carts_by_product",
    title="Carts by product",
    description="How often each product was put into a cart in each hour.",
    predicate=event_type(ADD_TO_CART),
    key=("productId",),
    window=tumbling(hours=1),
    measures=(Count("add_to_cart_count"),),
)
