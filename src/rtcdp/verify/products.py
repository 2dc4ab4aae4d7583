"""Is what is known of products what their log says, and is what is counted by it what both say?

Versions are made again naively, one update after the other, and so is what metrics by what products
are come to (`by_products`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl

from rtcdp.definitions import Metric, RowTable
from rtcdp.definitions.products import PRODUCT_TABLES, PRODUCTS, UNUSED_UPDATES
from rtcdp.engines.products import HISTORY_FULL
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.product_update import decode_product_update
from rtcdp.log.contract import LogReader, RawRecord
from rtcdp.store import RowScan, Store, StoreSnapshot
from rtcdp.verify.by_products import History, counted_by_products
from rtcdp.verify.store_against_log import (
    Difference,
    Key,
    Values,
    Verification,
    exact_differences,
    rows_by_key,
)

_SLICE_BYTES = 4 * 2**20
_PAGE = 10_000
_RECORD_LETTERS = 2_000

_Place = tuple[int, int]
"""A partition and an offset."""

_Version = tuple[str, int]
"""A product, and when a version of it begins (UTC ms)."""

_Backfills = Mapping[str, Mapping[int, int] | None]
"""Up to where each metric and row table is filled; None where it is whole."""


@dataclass
class _Said:
    """What a log says: the update that stands of each product and beginning, where all updates lie,
    and the rows of what is none, as they have to rest."""

    standing: dict[_Version, Values] = field(default_factory=dict)
    updates: set[_Place] = field(default_factory=set)
    rejected: dict[tuple[str, int], Values] = field(default_factory=dict)

    def take(self, record: RawRecord) -> None:
        place, at = (record.partition, record.offset), record.received_at
        update = decode_product_update(record.raw)
        if record.is_corrupt:
            update = Rejection("corrupt", "log", "the stored record is damaged")
        if isinstance(update, Rejection):
            text = record.raw.decode("utf-8", "replace").replace("\0", "�")[:_RECORD_LETTERS]
            why = (update.reason, update.message[:_RECORD_LETTERS], text)
            self.rejected[f"{place[0]}/{place[1]}", at] = (*place, record.source, *why)
            return
        self.updates.add(place)
        begins = at if update.valid_from_ms is None else update.valid_from_ms
        key = (update.product_id, begins)
        self.stand(key, (update.name, update.category, update.price, at, *place))

    def stand(self, key: _Version, values: Values) -> None:
        """Of two with one beginning, the one that was taken in later."""
        before = self.standing.get(key)
        if before is None or _arrival(before) < _arrival(values):
            self.standing[key] = values


@dataclass(frozen=True)
class _Found:
    """What rests, up to the offsets that were read by then, and before which time (UTC ms) rows
    are deleted. What is unused rests first: within a step, or where one was cut off, up to
    `unused_ends`."""

    ends: Mapping[int, int]
    unused_ends: Mapping[int, int]
    floor: int
    versions: Mapping[Key, Values]
    unused: Mapping[Key, Values]

    @property
    def dropped(self) -> set[_Place]:
        """Where updates lie that there was no room for."""
        rows = self.unused.values()
        return {(_number(row[0]), _number(row[1])) for row in rows if row[3] == HISTORY_FULL}

    @property
    def is_between(self) -> bool:
        """Whether of a step only what is unused rests yet."""
        return any(end > self.ends.get(partition, 0) for partition, end in self.unused_ends.items())

    def is_ahead(self, place: _Place) -> bool:
        """Whether a record is of such a step."""
        partition, offset = place
        return self.ends.get(partition, 0) <= offset < self.unused_ends.get(partition, 0)


def verify_products(
    log: LogReader, store: Store, metrics: Sequence[Metric], max_versions: int
) -> Verification:
    """Compare the versions of products with the `log` of product updates, and the answers of those
    of the catalog's `metrics` that are keyed by what products are with both streams.

    `max_versions` of each product have to be there, the newest. May run while others process. What
    came of records that the log no longer holds is believed.
    """
    if PRODUCTS.name not in store.row_tables():
        return Verification((), 0, 0, 0)
    with _state_of(store) as (snapshot, backfills):
        found = _read(snapshot, backfills)
        starts = _starts(log, found.ends)
        said = _said(log, found, starts)
        resting = _resting(said, found, max_versions)
        expected: dict[Key, Values] = dict(resting.items())
        differences = [
            *exact_differences(PRODUCTS.name, expected, found.versions),
            *_unused_differences(said, found, starts),
        ]
        gone = ("product updates that their log no longer holds",) if any(starts.values()) else ()
        rows = len(found.versions) + len(found.unused)
        of_products = Verification(tuple(differences), len(PRODUCT_TABLES), rows, 0, gone)
        whole = {name for name, offsets in backfills.items() if offsets is None}
        counted = counted_by_products(snapshot, whole, metrics, _histories(resting))
        return of_products.beside(counted)


@contextmanager
def _state_of(store: Store) -> Iterator[tuple[StoreSnapshot, _Backfills]]:
    """One state of the store, and up to which offsets product updates are in it. What is whole by
    these is whole in it."""
    while True:
        before = store.backfills()
        with store.snapshot() as snapshot:
            after = store.backfills()
            # Otherwise nobody knows whether what was committed meanwhile is in the snapshot.
            if all(before.get(each.name) == after.get(each.name) for each in PRODUCT_TABLES):
                yield snapshot, before
                return


def _read(snapshot: StoreSnapshot, backfills: _Backfills) -> _Found:
    floor = snapshot.floors.buckets_from
    return _Found(
        backfills.get(PRODUCTS.name) or {},
        backfills.get(UNUSED_UPDATES.name) or {},
        -(2**62) if floor is None else floor,
        rows_by_key(PRODUCTS, _all_rows(snapshot, PRODUCTS)),
        rows_by_key(UNUSED_UPDATES, _all_rows(snapshot, UNUSED_UPDATES)),
    )


def _all_rows(snapshot: StoreSnapshot, table: RowTable) -> pl.DataFrame:
    pages = [snapshot.row_scan(RowScan(table, limit=_PAGE))]
    while pages[-1].height == _PAGE:
        last = pages[-1].select(table.primary_key).row(-1)
        pages.append(snapshot.row_scan(RowScan(table, after=last, limit=_PAGE)))
    return pl.concat(pages)


def _starts(log: LogReader, ends: Mapping[int, int]) -> dict[int, int]:
    """From which offset on the log holds what was read of it."""
    there = set(log.partitions())
    return {p: log.extent(p).first_offset if p in there else end for p, end in ends.items()}


def _said(log: LogReader, found: _Found, starts: Mapping[int, int]) -> _Said:
    said = _Said()
    for key, values in found.versions.items():
        partition, offset = _place(values)
        if offset < starts.get(partition, 0):
            said.stand((str(key[0]), _number(key[1])), values)
    for partition, end in found.ends.items():
        offset = starts[partition]
        while offset < end:
            records = log.read(partition, offset, _SLICE_BYTES).until(end)
            if len(records) == 0:
                break
            for record in records.each():
                said.take(record)
            offset = records.next_offset
    return said


def _resting(said: _Said, found: _Found, max_versions: int) -> dict[_Version, Values]:
    """The versions that have to rest: of each product the newest, and those of which it is not on
    record why they don't."""
    begins: defaultdict[str, list[int]] = defaultdict(list)
    for product, instant in said.standing:
        begins[product].append(instant)
    newest_from = {product: sorted(times)[-max_versions:][0] for product, times in begins.items()}
    dropped = found.dropped

    def may_be_gone(key: _Version, values: Values) -> bool:
        # Rows of what is dropped expire.
        is_forgotten = key[1] < newest_from[key[0]] and _arrival(values)[0] < found.floor
        return is_forgotten or _place(values) in dropped

    return {
        key: values
        for key, values in said.standing.items()
        if key in found.versions or not may_be_gone(key, values)
    }


def _histories(versions: Mapping[_Version, Values]) -> dict[str, History]:
    """What is known of each product."""
    histories: defaultdict[str, History] = defaultdict(History)
    for key, values in sorted(versions.items()):
        history = histories[key[0]]
        history.begins.append(key[1])
        history.says.append({"name": values[0], "category": values[1]})
    return dict(histories)


def _unused_differences(
    said: _Said, found: _Found, starts: Mapping[int, int]
) -> Iterator[Difference]:
    """What is no update rests with its reason; beside it only updates that don't rest elsewhere."""
    # The versions that a step has no more room for go last.
    resting = () if found.is_between else found.versions.values()
    used = {_place(values) for values in resting}
    expected: dict[Key, Values] = {
        key: row for key, row in said.rejected.items() if key[1] >= found.floor
    }
    told: dict[Key, Values] = {}
    for key, row in found.unused.items():
        place = (_number(row[0]), _number(row[1]))
        is_told = place[1] >= starts.get(place[0], 0) and _number(key[1]) >= found.floor
        is_dropped = row[3] == HISTORY_FULL and place in said.updates and place not in used
        if is_told and not is_dropped and not found.is_ahead(place):
            told[key] = row
    yield from exact_differences(UNUSED_UPDATES.name, expected, told)


def _arrival(values: Values) -> tuple[int, int, int]:
    at, partition, offset = map(_number, values[3:])
    return at, partition, offset


def _place(values: Values) -> _Place:
    return _arrival(values)[1:]


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
