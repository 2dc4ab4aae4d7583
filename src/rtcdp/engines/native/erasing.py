"""A user is erased: first in the store, in one commit; then in the log, which may be interrupted
and is finished by whoever comes next."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from rtcdp.admission.erased import ErasedUser
from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.clock import Clock
from rtcdp.engines.native.erasure import Parts, Place, erasing_epoch, traces_of
from rtcdp.engines.quarantine import erased_places
from rtcdp.log.contract import ErasableLog, LogReader, Records
from rtcdp.store import Epoch, Erasure, Store


@dataclass(frozen=True)
class Erased:
    """What an erasure took out: records by the verdict that they had, rows by table, and how many
    records lost their bytes in the log. `epoch` is that of the store which did it. `damaged`
    records of the log can't be read; with `has_lost_counted` some of them counted once, so that
    counts stayed as they are which would have been computed anew."""

    user: ErasedUser
    epoch: int
    records: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    log_records: int = 0
    log_is_erasable: bool = True
    damaged: int = 0
    has_lost_counted: bool = False


def erase_user(
    parts: Parts, user: ErasedUser, user_id: str, on_committed: Callable[[Erased], None]
) -> Erased:
    """Take a user out of the store and the log.

    Everything up to the store's progress goes; what the log holds beyond that is refused when it is
    counted. To be called by the only writer, with nothing under way. Raises what log and store
    raise. When the store has forgotten the user, `on_committed` is told what that took out; if it
    is interrupted after that, `finish_erasures` does the rest.
    """
    traces = traces_of(parts, user_id)
    epoch = erasing_epoch(parts, user, user_id, traces)
    parts.store.commit(epoch)
    erased = Erased(
        user,
        epoch.number,
        dict(traces.counts),
        _rows_gone(epoch),
        0,
        isinstance(parts.log, ErasableLog),
        traces.damaged,
        traces.lost_at is not None,
    )
    on_committed(erased)
    return replace(erased, log_records=finish_erasures(parts.log, parts.store, parts.on_slice))


def refuse_user(store: Store, user: ErasedUser) -> None:
    """Let nothing count any more that happened to somebody before they were erased, who is known by
    the hash alone. To be called by the only writer, with nothing under way."""
    store.commit(
        Epoch(
            number=store.progress().epoch + 1,
            spans=(),
            changes=(),
            ledger=pl.DataFrame(schema=LEDGER_SCHEMA),
            uncounted=pl.DataFrame(schema=UNCOUNTED_SCHEMA),
            committed_at=user.erased_at,
            erasure=Erasure(user),
        )
    )


def finish_erasures(
    log: LogReader, store: Store, on_slice: Callable[[], None] = lambda: None
) -> int:
    """Take out of the log what the store has erased already, if there is anything. Returns how many
    records lost their bytes now. `on_slice` is as in `Store.end_erasures`."""
    if not store.erased_users(only_pending=True):
        return 0
    erased = erase_places(log, erased_places(store))
    store.end_erasures(on_slice)
    return erased


def erase_places(log: LogReader, places: Iterable[Place]) -> int:
    """Take records out of a log, where it can do that; returns how many."""
    if not isinstance(log, ErasableLog):
        return 0
    offsets: defaultdict[int, list[int]] = defaultdict(list)
    for partition, offset in places:
        offsets[partition].append(offset)
    return log.erase(offsets) if offsets else 0


class ErasedAgain:
    """Takes out of the log what comes again of users who were erased.

    Log and store are written anew for it, so it waits for a pause, and is done once in `every_s`
    at most, or nobody could be kept from slowing everything down by old events. The store knows
    that something waits: whoever starts next takes it out.
    """

    def __init__(
        self,
        log: LogReader,
        store: Store,
        clock: Clock,
        every_s: float,
        on_slice: Callable[[], None],
    ) -> None:
        self._log, self._store, self._clock, self._every_s = log, store, clock, every_s
        self._on_slice = on_slice
        self._is_waiting = False
        self._tried_at: float | None = None

    def note(self, epoch: Epoch, pieces: Iterable[Records]) -> None:
        """Look at what was committed."""
        self._is_waiting |= isinstance(self._log, ErasableLog) and _comes_again(epoch, pieces)

    def take_out(self, *, at_once: bool = False) -> None:
        """Take out what waits, if it is time, or `at_once`. Raises what log and store raise."""
        now = self._clock.monotonic()
        is_due = self._tried_at is None or now - self._tried_at >= self._every_s
        if self._is_waiting and (is_due or at_once):
            # Before it is tried, for what failed has to wait as well.
            self._tried_at = now
            finish_erasures(self._log, self._store, self._on_slice)
            self._is_waiting = False


def _comes_again(epoch: Epoch, pieces: Iterable[Records]) -> bool:
    """Whether records of an epoch are erased, and still have their bytes in the log."""
    if epoch.ledger.is_empty() or not epoch.ledger["erased"].sum():
        return False
    erased = epoch.uncounted.filter(pl.col("verdict") == "erased")
    bare = {
        (piece.partition, record.offset)
        for piece in pieces
        for record in piece.odd
        if record.is_erased
    }
    return any(place not in bare for place in erased.select("partition", "offset").rows())


def _rows_gone(epoch: Epoch) -> dict[str, int]:
    """How many rows of each table were deleted, less those that were put back with other counts."""
    gone: defaultdict[str, int] = defaultdict(int)
    for change in epoch.rows:
        gone[change.table.name] += change.delete.height
    if epoch.erasure is not None:
        for taken in epoch.erasure.removed:
            gone[taken.table.name] += taken.rows.height
    for put_back in epoch.changes:
        gone[put_back.table.name] -= put_back.rows.height
    return {name: count for name, count in sorted(gone.items()) if count > 0}
