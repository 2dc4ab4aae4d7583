"""How far the interest in a product goes."""

from rtcdp.clock import DAY_MS
from rtcdp.definitions import Fold, Property, event_type
from rtcdp.folds.funnels import Funnel, FunnelStep

FOLD = Fold(
    name="product_funnel",
    title="From a product to its purchase",
    description="Of those who look at a product: who puts it into the cart, and who buys it.",
    step=Funnel(
        steps=(
            FunnelStep("look", event_type("PRODUCT_VIEW")),
            FunnelStep("cart", event_type("ADD_TO_CART")),
            FunnelStep("buy", event_type("PURCHASE")),
        ),
        hold=("productId",),
        within_ms=3 * DAY_MS,
        breakdown=Property("category"),
    ),
)
