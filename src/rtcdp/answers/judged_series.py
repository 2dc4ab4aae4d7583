"""Series that were judged, to be gone on from by the next answer.

A look at anomalies takes months of windows, of which a few have changed since the last look. What
was worked out of a series is kept, and holds up to the first window that is another one
(`rtcdp.anomalies.judge_since`): what is said is the same as if nothing had been kept.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from rtcdp.anomalies import Judgement, Known, Series, judge_since, reach
from rtcdp.definitions import Alarms

BYTES_MAX = 128 * 1024 * 1024
"""So many bytes are kept in all; what nobody has asked for the longest goes first."""


@dataclass(frozen=True)
class Named:
    """What a series is known again by: what it is `of`, when its first window begins (UTC ms), and
    how far apart windows begin; None where they are of a calendar."""

    of: Hashable
    start: int
    step_ms: int | None


@dataclass(frozen=True)
class _Kept:
    known: Known
    start: int
    size: int


class JudgedSeries:
    """What one server has worked out of series: `bytes_max` of it. Used by many threads."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._bytes = 0

    def judge(self, named: Named, series: Series, alarms: Alarms, since: int) -> Judgement:
        """Judge the windows of a series from the place `since` on."""
        with self._lock:
            kept = self._kept.get(named.of)
        known = None if kept is None else _known(kept, named, since, series.per_day)
        judgement, known = judge_since(series, alarms, since, known)
        with self._lock:
            self._keep(named.of, _Kept(known, named.start, known.size_bytes))
        return judgement

    def _keep(self, of: Hashable, kept: _Kept) -> None:
        before = self._kept.pop(of, None)
        self._bytes -= 0 if before is None else before.size
        self._kept[of] = kept
        self._bytes += kept.size
        while self._bytes > self._bytes_max:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= gone.size


def _known(kept: _Kept, named: Named, since: int, per_day: int) -> Known | None:
    """What is known of a series by now; None where that is of another history."""
    gone_ms = named.start - kept.start
    if gone_ms == 0:
        return kept.known
    # Only what lies beyond the reach of what is judged makes no difference.
    if gone_ms < 0 or named.step_ms is None or since < reach(per_day):
        return None
    return kept.known.without_first(gone_ms // named.step_ms)
