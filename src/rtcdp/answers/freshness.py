"""How fresh an answer is: up to which intake time everything is in it, and how far that is back."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypedDict

import msgspec

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers.instant import iso_ms_or_none
from rtcdp.answers.judged_series import JudgedSeries
from rtcdp.answers.kept_days import KeptDays
from rtcdp.clock import Clock
from rtcdp.definitions import Fold, Metric
from rtcdp.engines.resume import check_reach, check_same_log
from rtcdp.log.contract import LogExtent, LogFailed, LogReader, LogUnavailable, OffsetsMissing
from rtcdp.store import Progress, Store, StoreSnapshot

SLOW_S = 0.2
REMEMBERED_S = 3.0
"""How long a failure that took `SLOW_S` to come is told again without asking."""

COMPARED_EVERY_S = 5.0
"""How often the last counted record is looked up: that reads a whole chunk of the log."""

Extents = tuple[LogExtent, ...]


class LogSight:
    """Looks at a log for the answers of one server: how far it reaches, and whether it is the
    store's own. A log that is away takes a while to say so; whoever asks meanwhile is told the same
    at once. Safe to use from several threads: the worst is that two of them look at once."""

    def __init__(self) -> None:
        self._trouble = ""
        self._troubled_at = float("-inf")
        self._stranger: str | None = None
        self._compared_at = float("-inf")

    def look(self, log: LogReader, now_ms: int) -> tuple[Extents | str, int]:
        """What the log holds, or why that can't be told, and when (UTC ms) it was looked at."""
        return self.extents(log), now_ms

    def extents(self, log: LogReader) -> Extents | str:
        """What the log holds now, or why that can't be told."""
        began = time.monotonic()
        if began - self._troubled_at < REMEMBERED_S:
            return self._trouble
        try:
            return tuple(log.extent(partition) for partition in log.partitions())
        except (LogUnavailable, LogFailed, OffsetsMissing) as error:
            return self._told(error, began)

    def oldest_waiting(
        self, log: LogReader, extents: Extents, progress: Progress
    ) -> int | str | None:
        """The smallest intake time (UTC ms) among the records that `progress` has not counted; None
        when none waits. A sentence when the log is not the one that was counted, or can't be
        asked."""
        began = time.monotonic()
        try:
            self._refuse_stranger(log, progress)
            oldest = [
                log.oldest_received_at(extent.partition, resume)
                for extent in extents
                for resume in [
                    max(progress.next_offsets.get(extent.partition, 0), extent.first_offset)
                ]
                if resume < extent.next_offset
            ]
        except (LogUnavailable, LogFailed, OffsetsMissing) as error:
            return self._told(error, began)
        return min((time for time in oldest if time is not None), default=None)

    def _refuse_stranger(self, log: LogReader, progress: Progress) -> None:
        """Raises `OffsetsMissing` when the log is not the one that was counted."""
        check_reach(log, progress)
        now = time.monotonic()
        if now - self._compared_at >= COMPARED_EVERY_S:
            self._stranger = None
            try:
                check_same_log(log, progress)
            except OffsetsMissing as error:
                self._stranger = str(error)
            self._compared_at = now
        if self._stranger is not None:
            raise OffsetsMissing(self._stranger)

    def _told(self, error: Exception, began: float) -> str:
        now = time.monotonic()
        if now - began >= SLOW_S:
            self._trouble, self._troubled_at = str(error), now
        return str(error)


class StillSight(LogSight):
    """What was seen of the log when it was first looked at, for all answers of one state of the
    store: what comes in later is not in that state either. For one thread."""

    def __init__(self, sight: LogSight) -> None:
        super().__init__()
        self._sight = sight
        self._looked: tuple[Extents | str, int] | None = None
        self._oldest: tuple[int | str | None] | None = None

    def look(self, log: LogReader, now_ms: int) -> tuple[Extents | str, int]:
        if self._looked is None:
            self._looked = self._sight.look(log, now_ms)
        return self._looked

    def extents(self, log: LogReader) -> Extents | str:
        return self._sight.extents(log)

    def oldest_waiting(
        self, log: LogReader, extents: Extents, progress: Progress
    ) -> int | str | None:
        if self._oldest is None:
            self._oldest = (self._sight.oldest_waiting(log, extents, progress),)
        return self._oldest[0]


@dataclass(frozen=True)
class Installation:
    """What answers are read from.

    `log` is None where there is only a store: there is no drill-down then, and the lag is counted
    from the last commit. `allowed_lateness_ms` says how long after its end a window may still
    change. `sight` is how the log is looked at. `folds` are the stories that the store holds,
    `days` what was read of whole days, and `judged` what was worked out of series.
    """

    store: Store
    metrics: Sequence[Metric]
    clock: Clock
    log: LogReader | None = None
    allowed_lateness_ms: int = AdmissionRules.allowed_lateness_ms
    sight: LogSight = field(default_factory=LogSight)
    folds: Sequence[Fold] = ()
    days: KeptDays = field(default_factory=KeptDays)
    judged: JudgedSeries = field(default_factory=JudgedSeries)


class FreshAnswer(msgspec.Struct, kw_only=True):
    """An answer that ends with how fresh it is, as `Freshness` says it."""

    as_of: str | None
    lag_ms: int | None
    warning: str | None = None


class WholeAnswer(msgspec.Struct, kw_only=True):
    """An answer that ends with how fresh it is and what it misses: it is `incomplete` while some of
    it is still to be computed, and from `complete_from` on no deleted event is missing."""

    as_of: str | None
    lag_ms: int | None
    incomplete: bool = False
    complete_from: str | None = None
    warning: str | None = None


class Fresh(TypedDict):
    """How fresh an answer is, as its own fields say it."""

    as_of: str | None
    lag_ms: int | None
    warning: str | None


@dataclass(frozen=True)
class Freshness:
    """`as_of` (UTC ms): all that was acknowledged before is in the answer. `lag_ms` is 0 when
    caught up. Where the log can't be asked, or is not the one that the store has counted, both are
    None and `warning` says why; `as_of` is also None when there is no log to compare with and
    nothing was ever committed."""

    as_of: int | None
    lag_ms: int | None
    warning: str | None = None

    @property
    def as_of_text(self) -> str | None:
        return iso_ms_or_none(self.as_of)

    @property
    def fields(self) -> Fresh:
        return Fresh(as_of=self.as_of_text, lag_ms=self.lag_ms, warning=self.warning)


@dataclass(frozen=True)
class Reading:
    """One consistent state of the store, and how fresh it is."""

    snapshot: StoreSnapshot
    freshness: Freshness


@contextmanager
def open_reading(installation: Installation) -> Iterator[Reading]:
    """Open the one snapshot that a request is answered from.

    The log's end is looked at first: what was acknowledged before the request is then either in
    the snapshot or counted as lag. A log that can't be asked keeps nobody from an answer. Raises
    `StoreUnavailable`.
    """
    now_ms = installation.clock.now_ms()
    log = installation.log
    if log is None:
        with installation.store.snapshot() as snapshot:
            yield Reading(snapshot, _since_commit(snapshot.progress, now_ms))
        return
    extents, now_ms = installation.sight.look(log, now_ms)
    with installation.store.snapshot() as snapshot:
        oldest = (
            extents
            if isinstance(extents, str)
            else installation.sight.oldest_waiting(log, extents, snapshot.progress)
        )
        yield Reading(snapshot, _against_log(oldest, now_ms))


def _against_log(oldest: int | str | None, now_ms: int) -> Freshness:
    """`oldest` is the intake time of what waits, None when nothing does, or why it isn't known."""
    if oldest is None:
        return Freshness(now_ms, 0)
    if isinstance(oldest, str):
        return Freshness(None, None, oldest)
    return Freshness(oldest, max(0, now_ms - oldest))


def _since_commit(progress: Progress, now_ms: int) -> Freshness:
    if progress.epoch == 0:
        return Freshness(None, 0)
    since = progress.all_committed_at
    if progress.shards and not since:
        return Freshness(None, None, "a shard of the store has not counted anything yet")
    return Freshness(since, max(0, now_ms - since))
