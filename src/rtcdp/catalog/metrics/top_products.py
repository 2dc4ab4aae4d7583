"""What people look at."""

from rtcdp.definitions import Metric, Present, TopK, all_of, event_type, tumbling
from rtcdp.events.event import PAGE_VIEW, PRODUCT_VIEW

METRIC = Metric(
    name="top_products",
    title="Top products",
    description="The ten products that were viewed most in each hour, with their views.",
    predicate=all_of(event_type(PAGE_VIEW, PRODUCT_VIEW), Present("productId")),
    window=tumbling(hours=1),
    measures=(TopK("products", "productId", k=10),),
)
