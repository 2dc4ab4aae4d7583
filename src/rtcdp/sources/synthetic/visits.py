"""What visitors of the made-up shop come for, page by page, as tables that whole days are made of.

A visit follows a script: the pages and acts of one kind of visitor, one after the other. Of each
intent there are several, so that no two visits need look alike.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Act(IntEnum):
    """One event of a visit. Whoever opens the page of a product or looks for something makes two:
    the page's own, and what it is about."""

    HOME = 0
    CATEGORY = 1
    RESULTS = 2
    SEARCH = 3
    PRODUCT_PAGE = 4
    PRODUCT_VIEW = 5
    INTO_CART = 6
    CART = 7
    CHECKOUT = 8
    PURCHASE = 9
    THANKS = 10


class Intent(IntEnum):
    """What a visitor is here for. `LATER` ones come back to a cart that they left, and `DECIDING`
    ones to what they compared."""

    BOUNCE = 0
    BROWSE = 1
    COMPARE = 2
    BUY = 3
    LATER = 4
    DECIDING = 5


SCRIPTS: dict[Intent, tuple[tuple[float, str], ...]] = {
    Intent.BOUNCE: ((0.4, "1"), (0.3, "h"), (0.2, "c"), (0.1, "s")),
    Intent.BROWSE: (
        (0.25, "h c"),
        (0.25, "h c 1"),
        (0.2, "c 1 c 2"),
        (0.15, "s 1"),
        (0.1, "h c 1 c 2 h c 3"),
        (0.05, "1 c 2 3"),
    ),
    Intent.COMPARE: (
        (0.4, "s 1 2 1"),
        (0.3, "c 1 2 3 1 2"),
        (0.2, "1 s 2 3 1"),
        (0.1, "h s 1 2 s 3 1 3 2 1"),
    ),
    Intent.BUY: (
        (0.15, "s 1 +1 k o $1 t"),
        (0.05, "h c 1 2 +2 c 3 +3 k o $2 $3 t"),
        (0.04, "1 +1 o $1 t"),
        (0.28, "s 1 +1 k"),
        (0.27, "2 1 +1 k o"),
        (0.13, "h c 2 +2 1 +1 k"),
        (0.08, "c 1 +1"),
    ),
    Intent.LATER: ((0.55, "k o $1 t"), (0.25, "k 1 k"), (0.2, "h k o")),
    Intent.DECIDING: ((0.14, "1 +1 k o $1 t"), (0.14, "2 1 +1 k"), (0.47, "1 2"), (0.25, "1")),
}
"""Shares and scripts. h is the home page, c a category, s a search, 1 to 3 the pages of products,
+1 into the cart, k the cart, o the checkout, $1 a purchase and t the thanks for it. A cart that is
left has the first product in it, for which people may come back."""

PRODUCTS_OF_A_VISIT = 3

_ACTS: dict[str, tuple[Act, ...]] = {
    "h": (Act.HOME,),
    "c": (Act.CATEGORY,),
    "s": (Act.RESULTS, Act.SEARCH),
    "": (Act.PRODUCT_PAGE, Act.PRODUCT_VIEW),
    "+": (Act.INTO_CART,),
    "k": (Act.CART,),
    "o": (Act.CHECKOUT,),
    "$": (Act.PURCHASE,),
    "t": (Act.THANKS,),
}

_TYPICAL_WAIT_MS = {
    Act.HOME: 9_000,
    Act.CATEGORY: 14_000,
    Act.RESULTS: 12_000,
    Act.SEARCH: 60,
    Act.PRODUCT_PAGE: 16_000,
    Act.PRODUCT_VIEW: 60,
    Act.INTO_CART: 25_000,
    Act.CART: 8_000,
    Act.CHECKOUT: 15_000,
    Act.PURCHASE: 70_000,
    Act.THANKS: 900,
}
"""The median wait before an act, which grows to `LONGEST_WAIT_MS` now and then."""

LONGEST_WAIT_MS = 20 * 60_000
_SPREAD = 1.0


class _Step(NamedTuple):
    act: Act
    product: int


@dataclass(frozen=True)
class Scripts:
    """All scripts end to end: of each step its act, the number of its product in the visit, and the
    median wait before it (ms); where each script begins and how many steps it has; and which ones
    of an intent are how likely."""

    acts: NDArray[np.int8]
    products: Ints
    waits_ms: NDArray[np.float64]
    starts: Ints
    lengths: Ints
    of_intent: tuple[Ints, ...]
    shares: tuple[NDArray[np.float64], ...]
    leaves_cart: NDArray[np.bool_]

    def draw(self, intents: NDArray[np.int8], random: np.random.Generator) -> Ints:
        """A script for each visit of these intents."""
        chosen = np.empty(len(intents), np.int64)
        for intent in Intent:
            places = np.flatnonzero(intents == intent)
            picks = np.searchsorted(self.shares[intent], random.random(len(places)), "right")
            chosen[places] = self.of_intent[intent][picks]
        return chosen


def all_scripts() -> Scripts:
    """The scripts of `SCRIPTS`."""
    steps: list[_Step] = []
    starts: list[int] = []
    lengths: list[int] = []
    leaves_cart: list[bool] = []
    of_intent, shares = [], []
    for intent in Intent:
        first = len(starts)
        for _, script in SCRIPTS[intent]:
            told = list(_steps_of(script))
            starts.append(len(steps))
            lengths.append(len(told))
            acts = {step.act for step in told}
            leaves_cart.append(Act.INTO_CART in acts and Act.PURCHASE not in acts)
            steps += told
        of_intent.append(np.arange(first, len(starts)))
        total = np.cumsum([share for share, _ in SCRIPTS[intent]])
        shares.append(total[:-1] / total[-1])
    return Scripts(
        acts=np.array([step.act for step in steps], np.int8),
        products=np.array([step.product for step in steps]),
        waits_ms=np.array([_TYPICAL_WAIT_MS[step.act] for step in steps], np.float64),
        starts=np.array(starts),
        lengths=np.array(lengths),
        of_intent=tuple(of_intent),
        shares=tuple(shares),
        leaves_cart=np.array(leaves_cart),
    )


def waits(typical_ms: NDArray[np.float64], random: np.random.Generator) -> Ints:
    """A wait (ms) for each step: mostly near the typical one, sometimes very long."""
    drawn = typical_ms * np.exp(_SPREAD * random.standard_normal(len(typical_ms)))
    return np.minimum(drawn, LONGEST_WAIT_MS).astype(np.int64)


def _steps_of(script: str) -> list[_Step]:
    steps = []
    for word in script.split():
        product = int(word[-1]) - 1 if word[-1].isdigit() else 0
        steps += [_Step(act, product) for act in _ACTS[word.rstrip("123")]]
    return steps
