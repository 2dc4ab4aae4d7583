"""The seam between engines and stores: an epoch, one atomic commit of a micro-batch.

Engines are interchangeable, stateless folds. They turn a micro-batch of records into an `Epoch`
and end in `store.commit(epoch)`; the store is the state, and the commit is the checkpoint.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from rtcdp.admission.erased import ErasedUser
from rtcdp.definitions import RowTable, Table
from rtcdp.log.contract import LogMark


@dataclass(frozen=True)
class TableChange:
    """Rows to merge into a table: columns as `table.column_names`, one row per primary key."""

    table: Table
    rows: pl.DataFrame

    @property
    def definition(self) -> str:
        """The name of what has to be prepared for it."""
        return self.table.metric


@dataclass(frozen=True)
class RowChanges:
    """Rows of a row table to delete and then to replace: `delete` has the columns
    `table.primary_key`, `replace` all of `table.column_names`; a key stands at most once in each. A
    row to replace need not be there, nor one to delete.

    `before` are the rows that rest under these keys, where the only writer knows them, whole and
    each once; then no store has to look for them."""

    table: RowTable
    delete: pl.DataFrame
    replace: pl.DataFrame
    before: pl.DataFrame | None = None

    @property
    def definition(self) -> str:
        """The name of what has to be prepared for it."""
        return self.table.name


@dataclass(frozen=True)
class Erasure:
    """What an epoch takes out before its changes are merged: `removed` are whole rows of metrics'
    tables, as they rest; `acknowledgements` are series and window starts of acknowledged alarms.
    The epoch reads no records then; its ledger moves counts of before to `erased`, and the rows of
    `uncounted` stand in for all that was kept of these records. Without a `user`, nobody is erased:
    what goes is kept for no longer."""

    user: ErasedUser | None
    removed: tuple[TableChange, ...] = ()
    acknowledgements: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class EpochSpan:
    """What an epoch read from one partition: offsets `[first_offset, next_offset)`, and the range
    of event times among its records (both None when no record had one), for finding events again
    without reading the whole log."""

    partition: int
    first_offset: int
    next_offset: int
    min_event_time: int | None
    max_event_time: int | None


@dataclass(frozen=True)
class Epoch:
    """One atomic commit. `number` is one more than the store's current epoch.

    There is one span a partition at most. `max_received_at` is, per partition, the largest intake
    time seen in this epoch (UTC ms). `gaps` counts the offsets within the spans that hold no
    record. `log_id` names the log that was read (`LogReader.log_id`), if it has one. `marks` tell
    the last record that was read, per partition. `remembered_from` says, per partition, from which
    offset on ids are remembered after this epoch; a partition that is left out stays as it was.
    `rows` changes each row table at most once. `shard` is the group of partitions that the epoch is
    of; `number` counts the epochs of that shard then, and `at_number` gives further rows by the
    number that the store gives the commit. With an `erasure`, it takes a user out.
    """

    number: int
    spans: tuple[EpochSpan, ...]
    changes: tuple[TableChange, ...]
    ledger: pl.DataFrame
    uncounted: pl.DataFrame
    max_received_at: Mapping[int, int] = field(default_factory=dict)
    committed_at: int = 0
    engine: str = "native"
    gaps: int = 0
    log_id: str = ""
    remembered_from: Mapping[int, int] = field(default_factory=dict)
    marks: Mapping[int, LogMark] = field(default_factory=dict)
    rows: tuple[RowChanges, ...] = ()
    shard: int = 0
    erasure: Erasure | None = None
    at_number: Callable[[int], Sequence[RowChanges]] | None = None

    @property
    def next_offsets(self) -> dict[int, int]:
        return {span.partition: span.next_offset for span in self.spans}

    @property
    def uncounted_by_reason(self) -> dict[tuple[str, str], int]:
        """How many records are not counted, by verdict and reason: both are of closed lists."""
        counts = self.uncounted.group_by("verdict", "reason").len()
        return {
            (verdict, reason or verdict): count for verdict, reason, count in counts.iter_rows()
        }


@dataclass(frozen=True)
class EpochReport:
    """What one epoch did, for whoever watches: its number, where every partition is counted up to
    now, the records read, how many of them were admitted, how long it took from the read to the
    commit, how many event ids were ever forgotten early, and how many offsets of the log wait to be
    counted, where that was asked. `uncounted` are the records that were not admitted, by verdict
    and reason; `traces` continue those that records brought with them. Of the keys whose rows were
    ever asked for, `cache_hits` were in memory, and `cache_misses` were not. With a `shard`, the
    number is one of its own, and other shards have the same ones."""

    epoch: int
    next_offsets: Mapping[int, int]
    record_count: int
    admitted_count: int
    duration_ms: float
    forgotten_ids: int
    waiting_offsets: int | None = None
    uncounted: Mapping[tuple[str, str], int] = field(default_factory=dict)
    traces: tuple[str, ...] = ()
    cache_hits: int = 0
    cache_misses: int = 0
    shard: int | None = None
