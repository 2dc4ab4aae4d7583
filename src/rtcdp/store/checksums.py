"""Control sums: what the counts of a table have to add up to, kept beside it per day of windows.

Every row that is merged adds to its day's sum what it adds to the table, in the same transaction.
So the sum over the stored rows is known at any time, and a count that changed in any other way (a
flipped bit, a hand) shows. Sums are modulo 2^64, with an odd weight for each column and bucket: an
odd factor keeps a difference of one bit from vanishing.

Each row of a row table adds a number made of all its values to the sum of its day; one that is
replaced or deleted takes its number off again.

Sums see what is added up. Extremes, members of sets, the bounded tables of top lists, and keys are
not in them: `rtcdp verify` compares those.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh

from rtcdp.admission.verdicts import VERDICTS
from rtcdp.clock import DAY_MS
from rtcdp.definitions import BUCKET_START, Metric, RowTable, Table, tables_of
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.events.event import MAX_TIMESTAMP_MS
from rtcdp.store.contract import Scan, StateMismatch, StoreSnapshot
from rtcdp.store.epoch import TableChange

NO_DAY = 2**40
"""A day that no bucket lies in."""

UNDATED_DAY = MAX_TIMESTAMP_MS // DAY_MS
"""The day of rows that have no time."""

HALF = 2**32
_WEIGHT = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
_NOTHING = np.uint64(0x6A09E667F3BCC909)
"""What a null in a row counts as."""

_PAGE_ROWS = 100_000
_LEDGER_PAGE = 10_000

DailySums = dict[int, int]
"""Sums modulo 2^64 by day, counted from 1970."""


RowNumbers = npt.NDArray[np.uint64]
"""What each row of a row table brings to the sums."""


@dataclass(frozen=True)
class DamagedDay:
    """A day (UTC ms of its start) of which a table's rows don't add up to what was counted."""

    table: str
    day_ms: int


@dataclass(frozen=True)
class SelfCheck:
    """What came of comparing a store with its own sums. `left_out` says what was not compared."""

    damaged: tuple[DamagedDay, ...]
    tables: int
    rows: int
    left_out: tuple[str, ...] = ()
    is_ledger_sound: bool = True

    @property
    def is_sound(self) -> bool:
        return self.is_ledger_sound and not self.damaged


class _NoTime(Exception):
    """It took as long as it may."""


def is_summed(table: Table) -> bool:
    """Whether a table has counts that only ever grow by what is merged into it."""
    return table.bound == "none" and bool(_summed_columns(table))


def daily_sums(table: Table, rows: pl.DataFrame) -> DailySums:
    """What rows of a table add to its sums."""
    if rows.is_empty():
        return {}
    buckets = rows.get_column(BUCKET_START).to_numpy()
    first, *others = _summed_columns(table)
    total = _unsigned(rows.get_column(first)) * _WEIGHT
    for number, name in enumerate(others, start=1):
        weight = np.uint64((2 * number + 1) * int(_WEIGHT) % 2**64)
        total += _unsigned(rows.get_column(name)) * weight
    bucket_weights = buckets.view(np.uint64) * _WEIGHT
    bucket_weights |= _ONE
    total *= bucket_weights
    oldest, newest = int(buckets.min()) // DAY_MS, int(buckets.max()) // DAY_MS
    if oldest == newest:
        return {oldest: int(total.sum())}
    days = buckets // DAY_MS
    order = np.argsort(days, kind="stable")
    different, starts = np.unique(days[order], return_index=True)
    sums = np.add.reduceat(total[order], starts)
    return dict(zip(different.tolist(), sums.tolist(), strict=True))


def sums_of_changes(changes: Sequence[TableChange]) -> Iterator[tuple[str, int, int, int]]:
    """What changes add to the sums: (table, day, lower half, upper half), each table and day once.

    In halves, so that a store can add them up without minding where 64 bits end.
    """
    totals: defaultdict[tuple[str, int], int] = defaultdict(int)
    for change in changes:
        if is_summed(change.table):
            for day, total in daily_sums(change.table, change.rows).items():
                totals[change.table.name, day] += total
    for (name, day), total in totals.items():
        yield name, day, total % HALF, total // HALF % HALF


def numbers_of(table: RowTable, rows: pl.DataFrame) -> RowNumbers:
    """A number for each row, made of all its values."""
    key = np.zeros(rows.height, np.uint64)
    total = np.ones(rows.height, np.uint64)
    if rows.is_empty():
        return total
    values = rows.select_seq(_in_numbers(table))
    for position, (name, _) in enumerate(table.columns):
        weight = np.uint64((2 * position + 1) * int(_WEIGHT) % 2**64)
        into = key if name in table.primary_key else total
        number = values[name].to_numpy().view(np.uint64)
        if rows[name].null_count():
            number = np.where(rows[name].is_null().to_numpy(), _NOTHING, number)
        into += number * weight
    key |= _ONE
    total *= key
    return total


def sums_by_day(table: RowTable, rows: pl.DataFrame, numbers: RowNumbers) -> DailySums:
    """The sums of rows' numbers by the day in which they rest."""
    if rows.is_empty():
        return {}
    if table.time is None:
        return {UNDATED_DAY: int(numbers.sum())}
    days = rows[table.time].to_numpy() // DAY_MS
    order = np.argsort(days, kind="stable")
    different, starts = np.unique(days[order], return_index=True)
    sums = np.add.reduceat(numbers[order], starts)
    return dict(zip(different.tolist(), sums.tolist(), strict=True))


def changed_sums(name: str, new: DailySums, old: DailySums) -> Iterator[tuple[str, int, int, int]]:
    """What a change adds to a table's sums, in halves: (table, day, lower half, upper half)."""
    for day in sorted(new.keys() | old.keys()):
        total = (new.get(day, 0) - old.get(day, 0)) % 2**64
        if total:
            yield name, day, total % HALF, total // HALF


def joined(low: int, high: int) -> int:
    """A sum from the totals of its halves."""
    return (low + high * HALF) % 2**64


def check_sums(
    snapshot: StoreSnapshot,
    metrics: Sequence[Metric],
    may_go_on: Callable[[], bool] = lambda: True,
    row_tables: Sequence[RowTable] = (),
) -> SelfCheck:
    """Compare the rows of every table with its sums, and the ledger with its totals.

    Ends early, and says so, when `may_go_on` says no, which is asked after each page, and where a
    metric is not defined as it is in the store.
    """
    damaged: list[DamagedDay] = []
    left_out: list[str] = []
    tables = rows = 0
    floor = snapshot.floors.buckets_from
    first_day = -NO_DAY if floor is None else -(-floor // DAY_MS)
    tables_with_sums: list[Table | RowTable] = [
        table
        for metric in stored_metrics(metrics)
        for table in tables_of(metric)
        if is_summed(table)
    ]
    for table in [*tables_with_sums, *row_tables]:
        expected = snapshot.daily_sums(table)
        if expected is None:
            left_out.append(f"{table.name}: its sums were not kept from the beginning")
            continue
        found: DailySums = defaultdict(int)
        try:
            for page in _pages(snapshot, table, first_day):
                if not may_go_on():
                    raise _NoTime
                rows += page.height
                for day, total in _sums_of(table, page).items():
                    found[day] = (found[day] + total) % 2**64
        except (_NoTime, StateMismatch) as error:
            why = str(error) or "there was no more time"
            left_out.append(f"{table.name} and what comes after: {why}")
            return SelfCheck(tuple(damaged), tables, rows, tuple(left_out))
        tables += 1
        days = sorted(day for day in expected.keys() | found.keys() if day >= first_day)
        damaged += [
            DamagedDay(table.name, day * DAY_MS)
            for day in days
            if expected.get(day, 0) != found.get(day, 0)
        ]
    return SelfCheck(tuple(damaged), tables, rows, tuple(left_out), _is_ledger_sound(snapshot))


@lru_cache(maxsize=1024)
def _summed_columns(table: Table) -> tuple[str, ...]:
    return tuple(c.name for c in table.columns if c.merge == "add" and c.type == "integer")


def _unsigned(column: pl.Series) -> npt.NDArray[np.uint64]:
    """Signed whole numbers modulo 2^64. A null, which no store takes here, counts nothing."""
    whole = column.fill_null(0) if column.null_count() else column
    return whole.to_numpy().view(np.uint64)


@lru_cache(maxsize=1024)
def _in_numbers(table: RowTable) -> tuple[pl.Expr, ...]:
    """Each column as numbers of 64 bits, 0 where it has no value. Kept, for to make this takes
    longer than to have it answered of the few rows of a small epoch."""
    return tuple(
        (
            pl.col(name) if kind in ("integer", "real") else plh.col(name).nchash.xxhash64()
        ).fill_null(0)
        for name, kind in table.columns
    )


def _sums_of(table: Table | RowTable, page: pl.DataFrame) -> DailySums:
    if isinstance(table, Table):
        return daily_sums(table, page)
    return sums_by_day(table, page, numbers_of(table, page))


def _pages(
    snapshot: StoreSnapshot, table: Table | RowTable, first_day: int
) -> Iterator[pl.DataFrame]:
    start = None if first_day == -NO_DAY else first_day * DAY_MS
    after = None
    while True:
        if isinstance(table, Table):
            page = snapshot.scan(Scan(table, bucket_from=start, after=after, limit=_PAGE_ROWS))
        else:
            page = snapshot.row_page(table, after=after, limit=_PAGE_ROWS)
        if not page.is_empty():
            yield page
        if page.height < _PAGE_ROWS:
            return
        after = page.select(table.primary_key).row(-1)


def _is_ledger_sound(snapshot: StoreSnapshot) -> bool:
    """Whether every minute of the ledger balances, and all of them together are its totals, or no
    more than those where retention has deleted some."""
    totals = snapshot.ledger_totals()
    left = dict(totals)
    after = None
    while True:
        page = snapshot.ledger(after=after, limit=_LEDGER_PAGE)
        accounted = page.select(pl.sum_horizontal(VERDICTS)).to_series()
        if not (page["received"] == accounted).all():
            return False
        left = {name: count - int(page[name].sum()) for name, count in left.items()}
        if page.height < _LEDGER_PAGE:
            break
        last = page.row(-1, named=True)
        after = (last["minute"], last["source"])
    is_balanced = totals["received"] == sum(totals[verdict] for verdict in VERDICTS)
    rests = set(left.values())
    return is_balanced and (rests <= {0} or (_has_expired(snapshot) and min(rests) >= 0))


def _has_expired(snapshot: StoreSnapshot) -> bool:
    return (snapshot.floors.uncounted_from or 0) > 0
