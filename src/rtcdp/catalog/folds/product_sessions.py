"""What people look at together."""

from rtcdp.definitions import Fold
from rtcdp.folds.product_sessions import ProductSessions

FOLD = Fold(
    name="product_sessions",
    title="Products of each session",
    description="What each visitor looked at, put into the cart and bought, one after the other.",
    step=ProductSessions(),
)
