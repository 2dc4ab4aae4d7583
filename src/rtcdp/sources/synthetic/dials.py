"""The dials of generated traffic: how much of it is out of order, repeated, late or broken."""

import math
from dataclasses import dataclass, fields
from random import Random

from rtcdp.errors import UsageError

MAX_DISORDER_S = 86_400.0
_LIMITS = {"disorder_s": MAX_DISORDER_S, "allowed_lateness_s": 100 * 365 * 86_400.0}


@dataclass(frozen=True, kw_only=True)
class Dials:
    """What is wrong with the traffic, on purpose. All shares are fractions from 0 to 1.

    `duplicates`, `late` and `malformed` are shares of all lines, and a line is at most one of the
    three, so that the collector's ledger can be foretold: out of 1,000 lines with
    `duplicates=0.1`, 100 repeat an earlier line with the same id. Over any run the number of lines
    of each kind is within 3 of its share. `hot_user` is the share of the lines other than
    duplicates that one user makes. `without_ids` is the share of the good and the late lines that
    carry no `eventId` (a request with those that is sent again counts them again, as nobody can
    tell them apart).

    `disorder_s`: event times are set back by up to that many seconds. Keep it below the
    allowed lateness, or some of those events are late too.
    `allowed_lateness_s`: what the platform allows; late lines are older by a minute or more.

    Raises `UsageError` for a number out of range.
    """

    disorder_s: float = 0.0
    duplicates: float = 0.0
    late: float = 0.0
    malformed: float = 0.0
    hot_user: float = 0.0
    without_ids: float = 0.0
    allowed_lateness_s: float = 600.0

    def __post_init__(self) -> None:
        for field in fields(self):
            amount = getattr(self, field.name)
            limit = _LIMITS.get(field.name, 1.0)
            if not (math.isfinite(amount) and 0 <= amount <= limit):
                raise UsageError(f"{field.name} is {amount}", f"Give a number from 0 to {limit:g}.")
        if self.duplicates + self.late + self.malformed > 1:
            raise UsageError(
                "duplicates, late and malformed add up to more than 1",
                "A line is at most one of the three: lower one of them.",
            )
        if self.duplicates and self.without_ids == 1:
            raise UsageError(
                "duplicates need events with ids, and without_ids is 1",
                "Lower without_ids, or set duplicates to 0.",
            )


class Quota:
    """Picks a fixed share of the items of a sequence, at random places but with an exact count.

    After n items the number picked is n times the share, rounded down or up. (One item is
    picked at random from each stretch of 1/share items: stratified sampling.)
    """

    def __init__(self, share: float, random: Random) -> None:
        self._share = share
        self._random = random
        self._items = 0
        self._picked = 0
        self._next = math.inf
        self._choose_next()

    def take(self) -> bool:
        """True if the next item is one of the picked."""
        self._items += 1
        if self._next >= self._items:
            return False
        self._picked += 1
        self._choose_next()
        return True

    def _choose_next(self) -> None:
        if self._share:
            self._next = (self._picked + self._random.random()) / self._share
