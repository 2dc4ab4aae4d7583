"""Who comes to the made-up shop on which day: newcomers, those who come back, and a bot.

Every shopper has a first day. Afterwards they come back ever more seldom, some more readily than
others. Who left a cart may come back to it hours or days later, and so may who compared.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtcdp.clock import DAY_MS, HOUR_MS
from rtcdp.sources.synthetic.visits import PRODUCTS_OF_A_VISIT, Intent, Ints, Scripts

_RETURN_NEXT_DAY = 0.2
_RETURN_FADES_BY = 0.55
"""A shopper comes back k days after the first with the chance 0.2 / k^0.55, on average."""

_HOURS = (2, 1, 1, 1, 1, 2, 3, 5, 6, 7, 7, 7, 8, 8, 7, 7, 7, 8, 9, 11, 12, 11, 8, 4)
_WEEKDAYS = (1.0, 0.95, 0.95, 1.0, 1.05, 1.25, 1.3)
"""How busy the hours of a day and the days of a week (from Monday) are."""

_BOUNCES, _COMPARES, _BUYS = 0.51, 0.13, 0.041
_BUYS_AT_MOST = 0.4
_BOUNCES_OF_RETURNING = 0.7
"""Who comes back bounces that much more seldom than who is new."""

_COMES_FOR_CART, _COMES_TO_DECIDE = 0.32, 0.2
_CART_WAITS_H, _DECIDING_TAKES_H = 14.0, 5.0
_LONGEST_WAY_BACK_H = 96.0


@dataclass(frozen=True)
class Standing:
    """How a shop stands: it has been known for `known_days` before its first day here, and buyers
    are so many times as many as usual."""

    known_days: int = 0
    buyers: float = 1.0


NEW_SHOP = Standing()
BUSY_SHOP = Standing(known_days=60, buyers=4.0)


@dataclass(frozen=True)
class Visits:
    """Visits, an entry each: who (a number), when it begins (UTC ms), what for, by which script,
    and the numbers of its products, `PRODUCTS_OF_A_VISIT` in a row."""

    users: NDArray[np.int32]
    times_ms: Ints
    intents: NDArray[np.int8]
    scripts: Ints
    products: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.users)

    def where(self, chosen: NDArray[np.bool_]) -> "Visits":
        """Those that are chosen."""
        return Visits(
            self.users[chosen],
            self.times_ms[chosen],
            self.intents[chosen],
            self.scripts[chosen],
            self.products[chosen],
        )

    def __add__(self, other: "Visits") -> "Visits":
        return Visits(
            np.concatenate([self.users, other.users]),
            np.concatenate([self.times_ms, other.times_ms]),
            np.concatenate([self.intents, other.intents]),
            np.concatenate([self.scripts, other.scripts]),
            np.concatenate([self.products, other.products]),
        )


class Customers:
    """The shoppers of `days`: the first one (in days after 1970-01-01) and how many. Ask for them
    in their order. `demand` is how much each product is wanted, added up.

    Whoever came before the first day is one of those who come back. What is kept grows with the
    number of users, and not with that of days.
    """

    def __init__(
        self,
        users: int,
        days: tuple[int, int],
        scripts: Scripts,
        demand: NDArray[np.float64],
        standing: Standing = NEW_SHOP,
    ) -> None:
        self._first_day, self._days = days
        self._scripts = scripts
        self._demand = demand / demand[-1]
        self._users = users
        self._standing = standing
        self._to_come = _nobody()

    def introduce(self, random: np.random.Generator) -> None:
        """Give everybody a first day, and habits."""
        known = self._standing.known_days
        days = range(-known, self._days)
        busy = np.array([_WEEKDAYS[(self._first_day + day + 3) % 7] for day in days])
        self._begins = random.choice(len(days), self._users, p=busy / busy.sum()) - known
        self._loyalty = random.gamma(0.8, 1 / 0.8, self._users)
        interest = random.gamma(0.6, 1 / 0.6, self._users)
        buys = _BUYS * self._standing.buyers
        self._buys = np.minimum(buys * interest, _BUYS_AT_MOST)

    def visits(self, day: int, random: np.random.Generator) -> Visits:
        """The visits that begin on a day, counted from 0."""
        since = day - self._begins
        fading = _RETURN_NEXT_DAY * np.maximum(since, 1) ** -_RETURN_FADES_BY
        comes = random.random(self._users) < self._loyalty * fading
        users = np.flatnonzero((since == 0) | ((since > 0) & comes)).astype(np.int32)
        today = self._own(users, since[users] > 0, day, random)
        ends_ms = (self._first_day + day + 1) * DAY_MS
        waiting = self._to_come + self._following(today, random)
        is_due = waiting.times_ms < ends_ms
        self._to_come = waiting.where(~is_due)
        return today + waiting.where(is_due)

    def _own(
        self,
        users: NDArray[np.int32],
        returning: NDArray[np.bool_],
        day: int,
        random: np.random.Generator,
    ) -> Visits:
        """Visits that nothing led to."""
        count = len(users)
        hours = random.choice(24, count, p=np.array(_HOURS) / sum(_HOURS))
        in_hour = random.integers(0, HOUR_MS, count)
        buys = self._buys[users]
        bounces = _BOUNCES * np.where(returning, _BOUNCES_OF_RETURNING, 1)
        drawn = random.random(count)
        intents = np.select(
            [drawn < buys, drawn < buys + bounces, drawn < buys + bounces + _COMPARES],
            [Intent.BUY, Intent.BOUNCE, Intent.COMPARE],
            Intent.BROWSE,
        ).astype(np.int8)
        wanted = np.searchsorted(self._demand, random.random((count, PRODUCTS_OF_A_VISIT)))
        return Visits(
            users,
            (self._first_day + day) * DAY_MS + hours * HOUR_MS + in_hour,
            intents,
            self._scripts.draw(intents, random),
            wanted.astype(np.int16),
        )

    def _following(self, visits: Visits, random: np.random.Generator) -> Visits:
        """Visits that these lead to: back to a cart that was left, or to what was compared."""
        left = self._scripts.leaves_cart[visits.scripts]
        compared = visits.intents == Intent.COMPARE
        chance = np.select([left, compared], [_COMES_FOR_CART, _COMES_TO_DECIDE], 0.0)
        comes = random.random(len(visits)) < chance
        back, left = visits.where(comes), left[comes]
        way_h = np.where(left, _CART_WAITS_H, _DECIDING_TAKES_H)
        way_h = np.clip(way_h * np.exp(random.standard_normal(len(back))), 1, _LONGEST_WAY_BACK_H)
        intents = np.where(left, Intent.LATER, Intent.DECIDING).astype(np.int8)
        return Visits(
            back.users,
            back.times_ms + (way_h * HOUR_MS).astype(np.int64),
            intents,
            self._scripts.draw(intents, random),
            back.products,
        )


def _nobody() -> Visits:
    none = np.empty(0, np.int64)
    return Visits(
        none.astype(np.int32),
        none,
        none.astype(np.int8),
        none,
        np.empty((0, PRODUCTS_OF_A_VISIT), np.int16),
    )
