"""How often somebody may ask, for many of them in bounded memory.

Each has one number, the time at which they will have been quiet long enough (the generic cell rate
algorithm, ITU-T I.371, appendix: a bucket that leaks, without a bucket to keep).
"""

from collections import OrderedDict

MAX_KNOWN = 10_000
"""Of so many the last ones are remembered; who was not seen for longest begins anew."""


class Rates:
    """Bounds each of many askers to `per_s` requests a second, `burst` of them at once."""

    def __init__(self, per_s: float, burst: int, max_known: int = MAX_KNOWN) -> None:
        self._interval_s = 1 / per_s
        self._burst_s = (burst - 1) / per_s
        self._max_known = max_known
        self._due: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._due)

    def wait_s(self, who: str, now_s: float) -> float:
        """How long `who` has to wait; 0 where they need not, which is counted then."""
        due_s = max(self._due.get(who, now_s), now_s)
        wait_s = due_s - self._burst_s - now_s
        if wait_s > 0:
            return wait_s
        self._due[who] = due_s + self._interval_s
        self._due.move_to_end(who)
        if len(self._due) > self._max_known:
            self._due.popitem(last=False)
        return 0.0

    def is_over(self, who: str, now_s: float) -> float:
        """How long `who` would have to wait, without counting anything."""
        return max(0.0, self._due.get(who, now_s) - self._burst_s - now_s)
