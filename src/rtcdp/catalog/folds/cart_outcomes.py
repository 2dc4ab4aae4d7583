"""What becomes of carts."""

from rtcdp.definitions import Fold, event_type
from rtcdp.events.event import ADD_TO_CART, PURCHASE
from rtcdp.folds.joins import IntervalJoin

FOLD = Fold(
    name="cart_outcomes",
    title="What becomes of carts",
    description="Of what is put into a cart, what the same person buys within a day.",
    step=IntervalJoin(
        left=event_type(ADD_TO_CART),
        right=event_type(PURCHASE),
        on=("productId",),
        outcomes=("converted", "abandoned"),
    ),
)
