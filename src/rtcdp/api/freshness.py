"""How fresh an answer is: up to which intake time everything is in it, and how far that is back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rtcdp.api.context import ApiContext
from rtcdp.api.instant import iso_ms_or_none
from rtcdp.log.log import LogExtent, LogReader
from rtcdp.store.store import Progress, StoreSnapshot

AS_OF_HEADER = "X-As-Of"
LAG_HEADER = "X-Lag-Ms"


@dataclass(frozen=True)
class Freshness:
    """`as_of` (UTC ms): all that was acknowledged before is in the answer; None when there is no
    log to compare with and nothing was ever committed. `lag_ms` is 0 when caught up."""

    as_of: int | None
    lag_ms: int

    @property
    def as_of_text(self) -> str | None:
        return iso_ms_or_none(self.as_of)

    @property
    def headers(self) -> dict[str, str]:
        lag = {LAG_HEADER: str(self.lag_ms)}
        return lag if self.as_of_text is None else {AS_OF_HEADER: self.as_of_text, **lag}


@dataclass(frozen=True)
class Reading:
    """One consistent state of the store, and how fresh it is."""

    snapshot: StoreSnapshot
    freshness: Freshness


@contextmanager
def open_reading(context: ApiContext) -> Iterator[Reading]:
    """Open the one snapshot that a request is answered from.

    The log's end is looked at first: what was acknowledged before the request is then either in
    the snapshot or counted as lag. Raises `StoreUnavailable` and `LogUnavailable`.
    """
    now_ms = context.clock.now_ms()
    extents = () if context.log is None else tuple(_extents(context.log))
    with context.store.snapshot() as snapshot:
        progress = snapshot.progress
        freshness = (
            _since_commit(progress, now_ms)
            if context.log is None
            else _against_log(context.log, extents, progress, now_ms)
        )
        yield Reading(snapshot, freshness)


def _extents(log: LogReader) -> Iterator[LogExtent]:
    return (log.extent(partition) for partition in log.partitions())


def _since_commit(progress: Progress, now_ms: int) -> Freshness:
    if progress.epoch == 0:
        return Freshness(None, 0)
    return Freshness(progress.committed_at, max(0, now_ms - progress.committed_at))


def _against_log(
    log: LogReader, extents: tuple[LogExtent, ...], progress: Progress, now_ms: int
) -> Freshness:
    waiting = []
    for extent in extents:
        resume = max(progress.next_offsets.get(extent.partition, 0), extent.first_offset)
        if resume < extent.next_offset:
            # There may be none, where a log uses offsets for itself.
            first = next(log.read(extent.partition, resume, max_bytes=1).each(), None)
            waiting += [] if first is None else [first.received_at]
    if not waiting:
        return Freshness(now_ms, 0)
    oldest = min(waiting)
    return Freshness(oldest, max(0, now_ms - oldest))
