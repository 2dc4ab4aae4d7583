"""How a pipeline ran in the last minutes: how far answers were behind, and how much went through
each of its parts. Measured by whoever answers, every `EVERY_S`."""

import logging
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.clock import repeating
from rtcdp.errors import RtcdpError

EVERY_S = 1.0
LAG_OVER_S = 900.0
RATES_OVER_S = 60.0
_KEPT = int(LAG_OVER_S / EVERY_S)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beat:
    """One look: at a time (seconds, monotonic) the lag, how many records the log had taken in (None
    where it can't be asked), how many were counted, and the number of commits."""

    at_s: float
    lag_ms: int | None
    taken_in: int | None
    waiting: int | None
    counted: int
    epoch: int


@dataclass(frozen=True)
class PulseFigures:
    """What beats tell: the lag that 95 of 100 of them did not exceed, over so many seconds; records
    and commits a second of the last minute; and how many records wait to be counted. None where it
    is not known."""

    lag_p95_ms: int | None
    lag_over_s: float
    taken_in_per_s: float | None
    counted_per_s: float | None
    commits_per_s: float | None
    waiting: int | None


class Pulse:
    """The beats of the last `LAG_OVER_S` seconds. Used by many threads, beaten by one."""

    def __init__(self) -> None:
        self._beats: deque[Beat] = deque(maxlen=_KEPT)

    def beat(self, installation: Installation) -> None:
        """Look at the installation. Raises `StoreUnavailable`."""
        log = installation.log
        with open_reading(installation) as reading:
            progress = reading.snapshot.progress
            counted = reading.snapshot.ledger_totals()["received"]
        extents = "" if log is None else installation.sight.extents(log)
        taken_in = waiting = None
        if not isinstance(extents, str):
            taken_in = sum(each.next_offset for each in extents)
            waiting = sum(
                each.next_offset
                - max(each.first_offset, progress.next_offsets.get(each.partition, 0))
                for each in extents
            )
        self._beats.append(
            Beat(
                at_s=installation.clock.monotonic(),
                lag_ms=reading.freshness.lag_ms,
                taken_in=taken_in,
                waiting=None if waiting is None else max(0, waiting),
                counted=counted,
                epoch=progress.epoch,
            )
        )

    def figures(self, now_s: float) -> PulseFigures:
        """What the beats so far tell at a time (seconds, monotonic)."""
        return figures_of(tuple(self._beats), now_s)


def figures_of(beats: Sequence[Beat], now_s: float) -> PulseFigures:
    """What some beats tell at a time, oldest first: those that are not too old by then."""
    kept = [each for each in beats if now_s - each.at_s <= LAG_OVER_S]
    if not kept:
        return PulseFigures(None, 0.0, None, None, None, None)
    lags = sorted(each.lag_ms for each in kept if each.lag_ms is not None)
    lag_p95_ms = lags[-(-95 * len(lags) // 100) - 1] if lags else None
    lag_over_s = now_s - kept[0].at_s
    lately = [each for each in kept if now_s - each.at_s <= RATES_OVER_S]
    if not lately:
        return PulseFigures(lag_p95_ms, lag_over_s, None, None, None, None)
    first, last = lately[0], lately[-1]
    return PulseFigures(
        lag_p95_ms=lag_p95_ms,
        lag_over_s=lag_over_s,
        taken_in_per_s=_rate(first.taken_in, last.taken_in, last.at_s - first.at_s),
        counted_per_s=_rate(first.counted, last.counted, last.at_s - first.at_s),
        commits_per_s=_rate(first.epoch, last.epoch, last.at_s - first.at_s),
        waiting=last.waiting,
    )


def _rate(first: int | None, last: int | None, over_s: float) -> float | None:
    if first is None or last is None or over_s <= 0:
        return None
    return max(0, last - first) / over_s


def beating(pulse: Pulse, installation: Installation) -> AbstractContextManager[None]:
    """Let it beat every `EVERY_S`, from a thread of its own. What is away then is left out, and an
    error of our own is logged once for as long as it stays."""
    told = ""

    def beat() -> None:
        nonlocal told
        try:
            pulse.beat(installation)
            told = ""
        except RtcdpError:
            return  # the page says itself what is away
        except Exception as error:  # noqa: BLE001 - whatever it is, the next may be well
            if repr(error) != told:
                _log.error("looking at the pipeline failed", exc_info=error)
            told = repr(error)

    return repeating("pulse", EVERY_S, beat)
