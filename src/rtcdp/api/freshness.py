"""How fresh an answer is: up to which intake time everything is in it, and how far that is back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rtcdp.api.context import ApiContext
from rtcdp.api.instant import iso_ms_or_none
from rtcdp.store import Progress, StoreSnapshot

AS_OF_HEADER = "X-As-Of"
LAG_HEADER = "X-Lag-Ms"
WARNING_HEADER = "X-Freshness-Warning"

_WARNING_LETTERS_MAX = 500


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
    def headers(self) -> dict[str, str]:
        found = {
            AS_OF_HEADER: self.as_of_text,
            LAG_HEADER: None if self.lag_ms is None else str(self.lag_ms),
            WARNING_HEADER: _in_a_header(self.warning),
        }
        return {name: text for name, text in found.items() if text is not None}


@dataclass(frozen=True)
class Reading:
    """One consistent state of the store, and how fresh it is."""

    snapshot: StoreSnapshot
    freshness: Freshness


@contextmanager
def open_reading(context: ApiContext) -> Iterator[Reading]:
    """Open the one snapshot that a request is answered from.

    The log's end is looked at first: what was acknowledged before the request is then either in
    the snapshot or counted as lag. A log that can't be asked keeps nobody from an answer. Raises
    `StoreUnavailable`.
    """
    now_ms = context.clock.now_ms()
    log = context.log
    if log is None:
        with context.store.snapshot() as snapshot:
            yield Reading(snapshot, _since_commit(snapshot.progress, now_ms))
        return
    extents = context.sight.extents(log)
    with context.store.snapshot() as snapshot:
        oldest = (
            extents
            if isinstance(extents, str)
            else context.sight.oldest_waiting(log, extents, snapshot.progress)
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
    return Freshness(progress.committed_at, max(0, now_ms - progress.committed_at))


def _in_a_header(text: str | None) -> str | None:
    if text is None:
        return None
    plain = " ".join(text.encode("ascii", "replace").decode().split())
    return plain[:_WARNING_LETTERS_MAX]
