"""Is the store what the log says? Everything is computed again, naively, and compared row by row.

The oracle reads every record up to where the store's progress stands. It shares nothing with the
engines but the rules of a single record and the descriptions of metrics and tables.

Each record is judged by the rules that were in force where it lies. Of several partitions, nobody
can tell from their records alone which one the engine met first: which of two equal ids was the
duplicate is taken from the verdicts that the store has recorded.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import VERDICTS
from rtcdp.clock import HOUR_MS
from rtcdp.definitions import Fold, Metric, RowTable, Table, tables_of
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.quarantine import erased_places, places_left_out
from rtcdp.engines.resume import check_same_log
from rtcdp.folds.timeline import row_tables_of
from rtcdp.log.aged import aged_of
from rtcdp.log.contract import LogReader, RawRecord
from rtcdp.log.views import MaskedLogReader
from rtcdp.store import Progress, RulesInForce, Scan, Store, StoreSnapshot
from rtcdp.verify.oracle import Oracle, smallest_members
from rtcdp.verify.stored import Kept
from rtcdp.verify.stories import (
    Admitted,
    has_lost_beginnings,
    read_stories,
    story_differences,
)

Key = tuple[object, ...]
Values = tuple[object, ...]
LedgerCounts = Mapping[tuple[str, int, str], int]
"""Counts by source, minute (UTC ms) and verdict."""

LEDGER = "ledger"
_LEDGER_PAGE = 10_000
_SLICE_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Difference:
    """A row that is not what it should be. `expected` or `found` is None where there is no row."""

    table: str
    key: Key
    expected: Values | None
    found: Values | None
    note: str = ""


@dataclass(frozen=True)
class Horizon:
    """What can be compared: buckets that start at `buckets_from` or later, and ledger minutes from
    `minutes_from` on (UTC ms; None: all of them)."""

    buckets_from: int | None = None
    minutes_from: int | None = None

    def moved_to(self, buckets_from: int | None, minutes_from: int | None) -> "Horizon":
        """The later of both, for buckets and minutes each."""
        return Horizon(
            _later(self.buckets_from, buckets_from), _later(self.minutes_from, minutes_from)
        )

    @property
    def hours_from(self) -> int | None:
        """From which hour on (UTC ms) all events of an hour can be told."""
        return None if self.buckets_from is None else -(-self.buckets_from // HOUR_MS) * HOUR_MS

    def has_bucket(self, key: "Key") -> bool:
        return self.buckets_from is None or _number(key[0]) >= self.buckets_from

    def has_minute(self, minute: int) -> bool:
        return self.minutes_from is None or minute >= self.minutes_from


@dataclass(frozen=True)
class Verification:
    """What came out: the differences, and how much was compared. `left_out` says what was not."""

    differences: tuple[Difference, ...]
    tables: int
    rows: int
    events: int
    left_out: tuple[str, ...] = ()

    def beside(self, other: "Verification") -> "Verification":
        """Both as one."""
        return Verification(
            (*self.differences, *other.differences),
            self.tables + other.tables,
            self.rows + other.rows,
            self.events + other.events,
            (*self.left_out, *other.left_out),
        )


ProgressHandler = Callable[[int, int], None]
"""Takes the number of records read and of all to be read."""


@dataclass(frozen=True)
class _Stored:
    """One consistent state of the store."""

    progress: Progress
    tables: Mapping[str, pl.DataFrame]
    ledger: pl.DataFrame
    history: Sequence[RulesInForce]


class RulesByPlace:
    """The rules that decided a record, by where it lies; `otherwise` where the store knows none."""

    def __init__(self, history: Sequence[RulesInForce], otherwise: AdmissionRules) -> None:
        self._history, self._otherwise = history, otherwise

    def of(self, record: RawRecord) -> AdmissionRules:
        for entry in reversed(self._history):
            if record.offset >= entry.from_offsets.get(record.partition, 0):
                return entry.rules
        return self._otherwise


class RecordedVerdicts:
    """What the store has recorded of records; looked up range by range."""

    _RANGE = 100_000

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, tuple[int, dict[int, str]]] = {}

    def of(self, record: RawRecord) -> str:
        """The verdict on a record; what has no row is admitted."""
        start = record.offset // self._RANGE * self._RANGE
        known = self._known.get(record.partition)
        if known is None or known[0] != start:
            with self._store.snapshot() as snapshot:
                rows = snapshot.verdicts(record.partition, start, start + self._RANGE)
            verdicts = dict(zip(rows["offset"].to_list(), rows["verdict"].to_list(), strict=True))
            known = self._known[record.partition] = (start, verdicts)
        return known[1].get(record.offset, "admitted")

    def has_duplicate(self, record: RawRecord) -> bool:
        return self.of(record) == "duplicate"


def verify(
    log: LogReader,
    store: Store,
    catalog: Sequence[Metric | Fold],
    rules: AdmissionRules,
    kept: Kept,
    on_progress: ProgressHandler = lambda _read, _total: None,
) -> Verification:
    """Compare every table of the catalog's metrics and folds, the timelines, and the ledger with
    what the log says.

    May run while others append and process. Where records were deleted from the log by its
    retention, or rows from the store, only what neither can have touched is compared. Raises
    `LogReplaced` or `OffsetsMissing` when the log is not the one that the store has counted.
    """
    check_same_log(log, store.progress())
    compared, absent = _ready(store, catalog)
    metrics = stored_metrics(each for each in compared if isinstance(each, Metric))
    folds = [each for each in compared if isinstance(each, Fold)]
    with store.snapshot() as snapshot:
        stored = _read_store(snapshot, metrics)
        stories = read_stories(snapshot, folds, aged_of(log).stories_from)
    # What repeats an event that was erased is a duplicate for ever.
    aged, recorded = aged_of(log), RecordedVerdicts(store)
    is_told = len(stored.progress.next_offsets) > 1 or bool(store.erased_users() or aged.until)
    oracle = Oracle(
        metrics,
        RulesByPlace(stored.history, rules).of,
        recorded.has_duplicate if is_told else None,
        recorded.of,
    )
    admitted = Admitted(folds)
    oracle.on_admitted = admitted.take
    horizon = horizon_after_trim(log, stored.progress.next_offsets, rules)
    horizon = horizon.moved_to(*_expired_before(stored, kept)).moved_to(aged.whole_from, None)
    # What an engine failed at is a dead letter, and no rule of a record can foretell it.
    erased = erased_places(store) if store.erased_users() else ()
    known_log = MaskedLogReader(log, places_left_out(store), erased)
    events = _feed(oracle, known_log, stored.progress.next_offsets, on_progress)
    tables = [table for metric in metrics for table in tables_of(metric)]
    hours_from = horizon.moved_to(aged.stories_from, None).hours_from
    told = story_differences(stories, admitted, hours_from)
    differences = [Difference(*vars(each).values()) for each in told]
    differences += ledger_differences(oracle.ledger, stored.ledger, horizon)
    lost: tuple[str, ...] = ()
    if stories.uncertain and has_lost_beginnings(stories, admitted):
        lost = (f"{len(stories.uncertain):,} rows of folds: retention deleted where they began",)
    rows = left_out = 0
    for table in tables:
        found = {
            key: values
            for key, values in rows_by_key(table, stored.tables[table.name]).items()
            if horizon.has_bucket(key)
        }
        every = oracle.rows[table.name]
        expected = {key: tuple(values) for key, values in every.items() if horizon.has_bucket(key)}
        rows += len(found)
        left_out += len(every) - len(expected)
        differences += differences_of(table, expected, found)
    return Verification(
        tuple(differences),
        len(tables) + 1 + len(row_tables_of(folds)),
        rows + stored.ledger.height + stories.rows,
        events,
        (*_left_out(left_out, horizon), *stories.left_out, *lost, *absent),
    )


def _ready(
    store: Store, catalog: Sequence[Metric | Fold]
) -> tuple[list[Metric | Fold], tuple[str, ...]]:
    """What can be compared, and what to say of the rest."""
    known = {*store.metrics(), *store.row_tables()}
    compared: list[Metric | Fold] = []
    absent: list[str] = []
    for each in catalog:
        kind, names = "metric", [each.name]
        if isinstance(each, Fold):
            kind, names = "fold", [table.name for table in row_tables_of([each])]
        if known.issuperset(names) and all(store.backfill_offsets(n) is None for n in names):
            compared.append(each)
        else:
            absent.append(
                f"{kind} {each.name}: it is not in the store yet, or"
                " still being filled; start the processor"
            )
    return compared, tuple(absent)


def horizon_after_trim(
    log: LogReader, next_offsets: Mapping[int, int], rules: AdmissionRules
) -> Horizon:
    """What can be compared where the log's first records were deleted.

    A record that is gone was received before the first one that is left; its event's time is at
    most `max_clock_skew_ms` after that. And for one `dedup_window_ms` nobody can tell any more
    whether a record repeats one that is gone.
    """
    horizon = Horizon()
    for partition in next_offsets:
        extent = log.extent(partition)
        if extent.first_offset == 0:
            continue
        first = next(log.read(partition, extent.first_offset, 1).each(), None)
        received_at = first.received_at if first else extent.newest_received_at
        certain_from = received_at + rules.dedup_window_ms + 1
        horizon = horizon.moved_to(
            certain_from + rules.max_clock_skew_ms, _minute_after(certain_from)
        )
    return horizon


def differences_of(
    table: Table, expected: Mapping[Key, Values], found: Mapping[Key, Values]
) -> list[Difference]:
    """Rows that differ, both sides keyed by primary key; `expected` is the oracle's, which keeps
    all members and items whatever the table's bound."""
    if table.bound == "heaviest_items":
        return list(_item_differences(table, expected, found))
    if table.bound == "smallest_members":
        members: dict[Key, list[str | float | None]] = {key: [] for key in expected}
        expected = dict.fromkeys(smallest_members(members, table.capacity), ())
    return list(exact_differences(table.name, expected, found))


def ledger_differences(
    expected: LedgerCounts, found: pl.DataFrame, horizon: Horizon = Horizon()
) -> list[Difference]:
    """Minutes of a source whose counts differ; `found` has the columns of `LEDGER_SCHEMA`. Values
    are the counts of received, admitted, duplicate, late and dead_letter."""
    wanted: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for (source, minute, verdict), count in expected.items():
        if horizon.has_minute(minute):
            wanted[source, minute][verdict] += count
    rows: dict[Key, Values] = {
        key: (counts.total(), *(counts[verdict] for verdict in VERDICTS))
        for key, counts in wanted.items()
    }
    stored: dict[Key, Values] = {
        (row["source"], row["minute"]): (row["received"], *(row[v] for v in VERDICTS))
        for row in found.iter_rows(named=True)
        if horizon.has_minute(row["minute"])
    }
    return list(exact_differences(LEDGER, rows, stored))


def rows_by_key(table: Table | RowTable, frame: pl.DataFrame) -> dict[Key, Values]:
    """A table's rows, keyed by primary key."""
    width = len(table.primary_key)
    rows = frame.select(table.column_names).iter_rows()
    return {row[:width]: row[width:] for row in rows}


def exact_differences(
    table: str, expected: Mapping[Key, Values], found: Mapping[Key, Values]
) -> Iterator[Difference]:
    """Rows that are not the same on both sides, in the order of their keys."""
    for key in _sorted_keys(expected, found):
        if expected.get(key) != found.get(key):
            yield Difference(table, key, expected.get(key), found.get(key))


def _item_differences(
    table: Table, expected: Mapping[Key, Values], found: Mapping[Key, Values]
) -> Iterator[Difference]:
    """Exact where a group never grew beyond what it may; else counts within the error bound."""
    sizes: Counter[Key] = Counter(key[:-1] for key in expected)
    totals: Counter[Key] = Counter()
    for key, values in expected.items():
        totals[key[:-1]] += _number(values[0])
    for key in _sorted_keys(expected, found):
        wanted, stored = expected.get(key), found.get(key)
        group = key[:-1]
        if sizes[group] <= 2 * table.capacity:
            if wanted != stored:
                yield Difference(table.name, key, wanted, stored)
            continue
        shortfall = _number((wanted or (0,))[0]) - _number((stored or (0,))[0])
        allowed = totals[group] // table.capacity
        if wanted is None or not 0 <= shortfall <= allowed:
            note = f"may fall short by {allowed} at most"
            yield Difference(table.name, key, wanted, stored, note)


def _sorted_keys(*sides: Mapping[Key, Values]) -> list[Key]:
    return sorted(set().union(*sides), key=lambda key: tuple(map(str, key)))


def _read_store(snapshot: StoreSnapshot, metrics: Sequence[Metric]) -> _Stored:
    tables = {
        table.name: snapshot.scan(Scan(table)) for metric in metrics for table in tables_of(metric)
    }
    pages = [snapshot.ledger(limit=_LEDGER_PAGE)]
    while pages[-1].height == _LEDGER_PAGE:
        last = pages[-1].row(-1, named=True)
        pages.append(snapshot.ledger(after=(last["minute"], last["source"]), limit=_LEDGER_PAGE))
    history = snapshot.admission_rules()
    return _Stored(snapshot.progress, tables, pl.concat(pages), history)


def _feed(
    oracle: Oracle, log: LogReader, next_offsets: Mapping[int, int], on_progress: ProgressHandler
) -> int:
    """Give the oracle all records before `next_offsets`; returns how many there were."""
    reading = _Reading(log, next_offsets, on_progress)
    partitions = [reading.records(partition) for partition in next_offsets]
    oracle.feed(heapq.merge(*partitions, key=_intake_of))
    return reading.record_count


class _Reading:
    """Reads partitions side by side, and tells how far it is."""

    def __init__(
        self, log: LogReader, next_offsets: Mapping[int, int], on_progress: ProgressHandler
    ) -> None:
        self._log = log
        self._ends = next_offsets
        self._starts = {p: log.extent(p).first_offset for p in next_offsets}
        self._total = sum(max(0, end - self._starts[p]) for p, end in next_offsets.items())
        self._on_progress = on_progress
        self._read = 0
        self.record_count = 0

    def records(self, partition: int) -> Iterator[RawRecord]:
        offset, end = self._starts[partition], self._ends[partition]
        slice_bytes = _SLICE_BYTES // len(self._ends)
        while offset < end:
            records = self._log.read(partition, offset, slice_bytes).until(end)
            if len(records) == 0:
                return
            yield from records.each()
            offset = records.next_offset
            self._read += len(records)
            self.record_count += records.record_count
            self._on_progress(self._read, self._total)


def _intake_of(record: RawRecord) -> tuple[int, int]:
    return record.received_at, record.partition


def _expired_before(stored: _Stored, kept: Kept) -> tuple[int | None, int | None]:
    """Up to which bucket start and ledger minute the store's own retention has deleted.

    It deletes everything before one time, which lies no later than the retention says, and no
    later than what is still there.
    """
    starts = [frame["window_start"].min() for frame in stored.tables.values() if frame.height]
    oldest_bucket = min(map(_number, starts), default=kept.now_ms)
    minutes = stored.ledger["minute"]
    oldest_minute = kept.now_ms if minutes.is_empty() else _number(minutes.min())
    return (
        min(oldest_bucket, kept.now_ms - kept.windows_ms),
        min(oldest_minute, kept.now_ms - kept.ledger_ms),
    )


def _left_out(rows: int, horizon: Horizon) -> tuple[str, ...]:
    if rows == 0 or horizon.buckets_from is None:
        return ()
    return (
        f"{rows:,} rows of windows that start before {_iso(horizon.buckets_from)}: retention "
        "deleted their events from the log, or the rows from the store",
    )


def _iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat(timespec="seconds")


def _later(one: int | None, other: int | None) -> int | None:
    return max((t for t in (one, other) if t is not None), default=None)


def _minute_after(instant_ms: int) -> int:
    return -(-instant_ms // 60_000) * 60_000


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
