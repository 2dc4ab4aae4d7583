"""Whether what people look for is what they take."""

from rtcdp.clock import DAY_MS
from rtcdp.definitions import Fold, event_type
from rtcdp.events.event import ADD_TO_CART
from rtcdp.folds.funnels import Funnel, FunnelStep

FOLD = Fold(
    name="search_funnel",
    title="From a search to the cart",
    description="Of those who search, how many put something into the cart on the same day.",
    step=Funnel(
        steps=(
            FunnelStep("search", event_type("SEARCH")),
            FunnelStep("cart", event_type(ADD_TO_CART)),
        ),
        within_ms=DAY_MS,
    ),
)
