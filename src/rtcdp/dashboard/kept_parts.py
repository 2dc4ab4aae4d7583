"""What was just read or rendered, for those who ask for the same at the same time."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from rtcdp.clock import Clock

T = TypeVar("T")

KEPT_S = 1.0

CHOSEN_S = 10.0
"""What whoever chooses another part of a page that is open gets is that old at most: the numbers
that stand there, which are read anew soon anyway, as those of any open page (`refresh.js`)."""

REST, REST_MAX_S = 4, 10.0
"""What took long is kept for so many times as long as it took, up to so many seconds: what many
have open takes a bounded part of a processor, however slow it is."""

PARTS_MAX = 64


def kept_until(began: float, ended: float, rest: float = REST) -> float:
    """Until when (seconds) something is kept that took from then to then."""
    return max(began + KEPT_S, ended + min(rest * (ended - began), REST_MAX_S))


@dataclass
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    began: float = float("-inf")
    until: float = float("-inf")
    part: Any = None


class KeptParts:
    """The last `PARTS_MAX` parts of pages by their names. However many ask for one at once, it is
    read once. Used by many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def get(
        self, name: str, read: Callable[[], T], *, anew: bool = False, older_s: float = 0.0
    ) -> T:
        """The part, at most `KEPT_S` old when it was asked for, or, where that is longer, as old as
        it took to be read and its rest (`REST`) after that, and for some up to `older_s` older. Who
        wants it `anew` gets what began to be read since, and so do the others then. What `read`
        raises is raised, and nothing kept."""
        asked = self._clock.monotonic()
        with self._lock:
            kept = self._kept.setdefault(name, _Kept())
            self._kept.move_to_end(name)
            if len(self._kept) > PARTS_MAX:
                self._kept.popitem(last=False)
        with kept.lock:
            if asked >= kept.until + older_s or (anew and asked >= kept.began):
                began = self._clock.monotonic()
                kept.part = read()
                kept.began, kept.until = began, kept_until(began, self._clock.monotonic())
            return cast("T", kept.part)
