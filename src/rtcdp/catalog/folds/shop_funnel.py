"""How far shoppers come."""

from rtcdp.definitions import Fold, event_type
from rtcdp.events.event import ADD_TO_CART, PAGE_VIEW, PURCHASE
from rtcdp.folds.funnels import Funnel, FunnelStep

FOLD = Fold(
    name="shop_funnel",
    title="From a view to a purchase",
    description="Of those who view a page, how many put something into the cart and buy it.",
    step=Funnel(
        steps=(
            FunnelStep("view", event_type(PAGE_VIEW)),
            FunnelStep("cart", event_type(ADD_TO_CART)),
            FunnelStep("purchase", event_type(PURCHASE)),
        ),
    ),
)
