"""Folds in the executors: a task has all events that a batch brings to its keys, reads what rests
of these keys from the store itself, and finds what changes. The driver sees that difference alone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl
import polars_hash as plh
import pyarrow as pa

from rtcdp.definitions import Fold, RowTable
from rtcdp.engines.folding import Folding
from rtcdp.engines.quarantine import FAILURES, is_fault_of_a_record
from rtcdp.engines.spark.decoding import BatchMapper
from rtcdp.engines.spark.exchange import (
    DIFFERENCE_ARROW_SCHEMA,
    KEYED_ARROW_SCHEMA,
    Duplicates,
    TaskTrouble,
    TroubleKind,
    pack,
    pack_frame,
    unpack_frame,
    unpack_trouble,
)
from rtcdp.engines.spark.failures import SparkFailed
from rtcdp.engines.spark.folding import Ranges, admitted_in
from rtcdp.errors import RtcdpError
from rtcdp.store import (
    EpochRefused,
    RowChanges,
    Store,
    StoreSnapshot,
    StoreUnavailable,
)

_TASK = "task"


@dataclass(frozen=True)
class StoreAccess:
    """How an executor reads the store: `opener`, a function of a module, takes its `url` and
    `read_only`. The function goes along by its name, and the URL has to mean the same everywhere.
    """

    opener: Callable[..., Store]
    url: str = field(repr=False)

    def opened(self) -> Store:
        """The store. It stays open for the next task of this process; one at a time does."""
        if self not in _opened:
            for other in [*_opened]:
                _opened.pop(other).close()
            _opened[self] = self.opener(self.url, read_only=True)
        return _opened[self]


_opened: dict[StoreAccess, Store] = {}

_ERRORS: Mapping[TroubleKind, type[RtcdpError]] = {
    "away": StoreUnavailable,
    "refused": EpochRefused,
    "failed": SparkFailed,
}


class FoldFailed(Exception):
    """A fold could not take the events of a task; which of them, nobody has said."""


@dataclass(frozen=True)
class Stories:
    """The folds of an engine, and how executors read what rests of them: in these `tables`. Of
    events, their `fields` are to be decoded; the folds of each key need `columns_by_key`."""

    folds: tuple[Fold, ...]
    access: StoreAccess
    tables: tuple[RowTable, ...]
    fields: tuple[str, ...]
    columns_by_key: Mapping[str, tuple[str, ...]]


def stories_of(folding: Folding, access: StoreAccess) -> Stories:
    """What executors have to know of folds; `access` leads to the store that these are of."""
    columns: dict[str, set[str]] = {}
    for telling in folding.tellings:
        columns.setdefault(telling.key, set()).update(telling.columns)
    return Stories(
        folding.folds,
        access,
        folding.tables,
        folding.fields,
        {key: tuple(sorted(names)) for key, names in columns.items()},
    )


def keyed_packer(
    stories: Stories, duplicates: Mapping[int, Duplicates], ranges: Ranges, tasks: int
) -> BatchMapper:
    """What turns slices (`partition`, `events`) into rows of `KEYED_SCHEMA`: the admitted events,
    each with all others of its key in one of so many tasks."""

    def pack_events(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for events in admitted_in(batches, duplicates, ranges):
            yield keyed_rows(events, stories.columns_by_key, tasks)

    return pack_events


def keyed_rows(
    events: pl.DataFrame, columns_by_key: Mapping[str, Sequence[str]], tasks: int
) -> pa.RecordBatch:
    """Admitted events by the tasks that their keys belong to: rows of `KEYED_SCHEMA`."""
    rows = []
    for key, columns in columns_by_key.items():
        told = events.filter(pl.col(key).is_not_null()).select(columns)
        hashed = plh.col(key).nchash.xxhash64()
        parts = told.with_columns((hashed % tasks).alias(_TASK)).partition_by(
            _TASK, as_dict=True, include_key=False
        )
        rows += [
            {_TASK: number, "key": key, "events": pack_frame(part)}
            for (number,), part in parts.items()
        ]
    return pa.RecordBatch.from_pylist(rows, KEYED_ARROW_SCHEMA)


def folder(stories: Stories, after_epoch: int, number: int) -> BatchMapper:
    """What turns the rows of a task (`KEYED_SCHEMA`) into rows of `DIFFERENCE_SCHEMA`: folded over
    what rests in the store after an epoch, under the `number` of the epoch that comes."""

    def fold(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        packed: defaultdict[str, list[bytes]] = defaultdict(list)
        for batch in batches:
            keys, events = (batch.column(name).to_pylist() for name in ("key", "events"))
            for key, each in zip(keys, events, strict=True):
                packed[key].append(each)
        if packed:
            yield pa.RecordBatch.from_pylist(
                _difference(stories, packed, after_epoch, number), DIFFERENCE_ARROW_SCHEMA
            )

    return fold


def changes_in(found: pl.DataFrame, tables: Sequence[RowTable]) -> tuple[RowChanges, ...]:
    """What the tasks found (`DIFFERENCE_SCHEMA`) to change in these tables.

    Raises `StoreUnavailable`, `EpochRefused` or `SparkFailed` where a task could not read the
    store, and `FoldFailed` where it failed at the events.
    """
    for packed in found["trouble"].drop_nulls():
        trouble = unpack_trouble(packed)
        if trouble.kind == "fault":
            raise FoldFailed(trouble.message)
        raise _ERRORS[trouble.kind](f"an executor can't read: {trouble.message}", trouble.hint)
    parts = found.partition_by("table_name", as_dict=True)
    return tuple(
        RowChanges(
            table,
            *(
                pl.concat([unpack_frame(each) for each in parts[table.name,][column]])
                for column in ("gone", "replaced")
            ),
        )
        for table in tables
        if (table.name,) in parts
    )


def _difference(
    stories: Stories, packed: Mapping[str, Sequence[bytes]], after_epoch: int, number: int
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    try:
        store = AfterEpoch(stories.access.opened(), after_epoch)
        for key, parts in packed.items():
            folds = [fold for fold in stories.folds if fold.key == key]
            events = pl.concat([unpack_frame(part) for part in parts])
            rows += map(packed_change, Folding(folds, store).fold(events, number))
    except FAILURES as error:
        return [packed_trouble(error)]
    return rows


def packed_change(change: RowChanges) -> dict[str, object]:
    """A row of `DIFFERENCE_SCHEMA`: what is to change in a table."""
    return {
        "table_name": change.table.name,
        "gone": pack_frame(change.delete),
        "replaced": pack_frame(change.replace),
    }


def packed_trouble(error: BaseException) -> dict[str, object]:
    """A row of `DIFFERENCE_SCHEMA`: why there is none. Told as data: Spark makes a text of an
    error, tries it again, and ends the process, which takes seconds to start. A record is looked
    for by failing often."""
    return {"trouble": pack(_trouble(error))}


class AfterEpoch:
    """A store to read from, as it is after one epoch and not after any other."""

    def __init__(self, store: Store, epoch: int) -> None:
        self._store = store
        self._epoch = epoch

    @contextmanager
    def snapshot(self) -> Iterator[StoreSnapshot]:
        with self._store.snapshot() as snapshot:
            found = snapshot.progress.epoch
            if found > self._epoch:
                raise EpochRefused(
                    f"the store is at epoch {found} already, and a batch goes on after epoch "
                    f"{self._epoch}",
                    "another engine seems to write to this store; see which, and run one of them",
                )
            if found < self._epoch:
                raise SparkFailed(
                    f"an executor finds the store at epoch {found}, and the driver finds it at "
                    f"epoch {self._epoch}",
                    "the store's URL has to lead to the same store on every machine of the "
                    "cluster, and not to a file or to a replica that lags",
                )
            yield snapshot


def _trouble(error: BaseException) -> TaskTrouble:
    if is_fault_of_a_record(error):
        return TaskTrouble("fault", f"{type(error).__name__}: {error}", "")
    told = (kind for kind, each in _ERRORS.items() if isinstance(error, each))
    return TaskTrouble(next(told, "failed"), str(error), getattr(error, "hint", ""))
