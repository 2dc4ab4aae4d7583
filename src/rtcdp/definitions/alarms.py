"""When a number is an alarm: the settings of a metric, or the usual ones."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal, get_args

from rtcdp.errors import UsageError

Direction = Literal["both", "up", "down"]


@dataclass(frozen=True)
class Alarms:
    """Which windows of a metric are out of the ordinary.

    `measure` is looked at, a `Count` or `Sum`; None stands for the first such one. `direction` says
    whether to tell of rises, drops or both. A window is told of when it is `surprise` times as far
    from what was expected as its series usually is, which it was no more than once in `rarity`
    windows of its own history (or once at all); and when it is off by `min_difference` and by the
    share `min_change` of what was expected. Nothing is told before a series has `min_windows` (0:
    two days of them, 48 at least). Raises `UsageError` for what can't be.
    """

    measure: str | None = None
    direction: Direction = "both"
    surprise: float = 5.0
    rarity: int = 1000
    min_difference: float = 5.0
    min_change: float = 0.2
    min_windows: int = 0

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            known = ", ".join(get_args(Direction))
            raise UsageError(f"alarms can't have direction={self.direction!r}", f"give {known}")
        bounds = {
            "surprise": (self.surprise, 1.0),
            "rarity": (self.rarity, 1),
            "min_difference": (self.min_difference, 0.0),
            "min_change": (self.min_change, 0.0),
            "min_windows": (self.min_windows, 0),
        }
        for name, (given, least) in bounds.items():
            # What is compared with a whole number is one itself.
            kinds = int if isinstance(least, int) else (int, float)
            is_number = isinstance(given, kinds) and not isinstance(given, bool)
            if not is_number or not isfinite(given) or given < least:
                whole = "whole " if isinstance(least, int) else ""
                raise UsageError(
                    f"alarms can't have {name}={given!r}",
                    f"give {name} a {whole}number of {least} or more",
                )


USUAL = Alarms()
"""For metrics that say nothing of their own."""
