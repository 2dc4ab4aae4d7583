"""Pages that were just rendered, for those who ask for the same one at the same time."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rtcdp.clock import Clock

T = TypeVar("T")

KEPT_S = 1.0

REST, REST_MAX_S = 4, 10.0
"""A page that was rendered is kept for so many times as long as that took, up to so many seconds:
one that many have open takes a bounded part of a processor, however slow it is."""

PAGES_MAX = 64


@dataclass
class _Kept(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = float("-inf")
    page: T | None = None


class RenderedPages(Generic[T]):
    """The last `PAGES_MAX` pages by their names. However many ask for one at once, it is rendered
    once. Used by many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()

    def get(self, name: str, render: Callable[[], T]) -> T:
        """The page, at most `KEPT_S` old when it was asked for, or, where that is longer, as old as
        it took to be rendered and its rest (`REST`) after that. What `render` raises is raised, and
        nothing kept."""
        asked = self._clock.monotonic()
        with self._lock:
            kept = self._kept.setdefault(name, _Kept())
            self._kept.move_to_end(name)
            if len(self._kept) > PAGES_MAX:
                self._kept.popitem(last=False)
        with kept.lock:
            if kept.page is None or asked >= kept.until:
                began = self._clock.monotonic()
                kept.page = render()
                now = self._clock.monotonic()
                kept.until = max(began + KEPT_S, now + min(REST * (now - began), REST_MAX_S))
            return kept.page
