"""Are stories and folds what the log says? The timelines tell the admitted events, hour by hour,
and the rows of each fold are what its step makes of whole stories, from their beginning.

Events are compared by sums of hashes, so that a history of any length fits into memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
import xxhash

from rtcdp.clock import EARLIEST_MS, HOUR_MS, LATEST_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold, RowTable
from rtcdp.events.columns import row_of
from rtcdp.folds.timeline import (
    EVENTS_MAX,
    Telling,
    events_in,
    overflow_of,
    timeline_of,
    timelines_of,
)
from rtcdp.store import StoreSnapshot

Key = tuple[object, ...]
Values = tuple[object, ...]

_PAGE = 5_000
_BITS = 2**64


@dataclass(frozen=True)
class RowDifference:
    """A row, or an hour of a story, that is not what it should be; None where there is none."""

    table: str
    key: Key
    expected: Values | None
    found: Values | None


@dataclass
class Admitted:
    """What an oracle saw admitted, as far as `folds` look at it: of each hour of a key how many
    events, and the sum of their hashes, by timeline."""

    folds: Sequence[Fold]
    hours: dict[str, dict[Key, tuple[int, int]]] = field(default_factory=dict)
    earliest_ms: int = LATEST_MS

    def __post_init__(self) -> None:
        self.tellings = timelines_of(self.folds)
        self.hours = {telling.table.name: {} for telling in self.tellings}

    def take(self, event: Mapping[str, object]) -> None:
        """An admitted event as its fields."""
        instant = event["timestamp"]
        assert isinstance(instant, int)
        self.earliest_ms = min(self.earliest_ms, instant)
        for telling in self.tellings:
            key = event[telling.key]
            if key is not None:
                hours = self.hours[telling.table.name]
                place = (key, instant // HOUR_MS * HOUR_MS)
                count, total = hours.get(place, (0, 0))
                mark = _mark(row_of(event, telling.fields))
                hours[place] = (count + 1, (total + mark) % _BITS)


@dataclass
class StoredStories:
    """What a store tells: of each hour of a key how many events there were, and the sum of the
    hashes of those that are told (None for it where some are not), by timeline; which rows are not
    what their stories say, and which of them (`uncertain`) may hang on what retention has deleted
    from a story, up to `floor`, surely where it `has_lost_events`; how many rows were looked at,
    and which were not, and why."""

    hours: dict[str, dict[Key, tuple[int, int | None]]] = field(default_factory=dict)
    differences: list[RowDifference] = field(default_factory=list)
    uncertain: list[RowDifference] = field(default_factory=list)
    floor: int | None = None
    has_lost_events: bool = False
    rows: int = 0
    left_out: tuple[str, ...] = ()


def read_stories(
    snapshot: StoreSnapshot, folds: Sequence[Fold], whole_from: int | None = None
) -> StoredStories:
    """All that one snapshot tells of the stories of `folds`, and the comparison of their rows.
    Before `whole_from` (UTC ms), stories may have lost events that are kept for no longer."""
    floors = (snapshot.floors.buckets_from, whole_from)
    floor = max((each for each in floors if each is not None), default=None)
    stored = StoredStories(floor=floor, has_lost_events=whole_from is not None)
    for telling in timelines_of(folds):
        hours: dict[Key, tuple[int, int | None]] = {}
        stored.hours[telling.table.name] = hours
        for keys in _pages(snapshot, telling.table):
            chunks = snapshot.rows(telling.table, keys)
            stored.rows += chunks.height
            hours.update(_hours(chunks, telling))
    for fold in folds:
        row_count, differences, overflowing = _rows_of(snapshot, fold)
        stored.rows += row_count
        for each in differences:
            hangs_on_gone = stored.floor is not None and _begins(fold, stored.floor, each)
            (stored.uncertain if hangs_on_gone else stored.differences).append(each)
        if overflowing:
            stored.left_out += (
                f"{fold.name}: {overflowing:,} keys with more than {EVENTS_MAX:,} events an hour",
            )
    return stored


def story_differences(
    stored: StoredStories, admitted: Admitted, hours_from: int | None
) -> Iterator[RowDifference]:
    """Rows that are not what their stories say, and hours of stories that do not tell what was
    admitted, of those that begin at `hours_from` or later (UTC ms; None: all). Where stories have
    lost their beginnings to retention, rows that may hang on these are left out."""
    yield from stored.differences
    if not has_lost_beginnings(stored, admitted):
        yield from stored.uncertain
    for table, expected in admitted.hours.items():
        found = stored.hours[table]
        for place in sorted(expected.keys() | found.keys(), key=str):
            if hours_from is not None and _hour(place) < hours_from:
                continue
            wanted: Values | None = expected.get(place)
            told: Values | None = found.get(place)
            if wanted is not None and told is not None and told[1] is None:
                wanted, told = wanted[:1], told[:1]
            if wanted != told:
                yield RowDifference(table, place, wanted, told)


def has_lost_beginnings(stored: StoredStories, admitted: Admitted) -> bool:
    """Whether something that was admitted is so old that retention has deleted it."""
    if stored.has_lost_events:
        return True
    return stored.floor is not None and admitted.earliest_ms < stored.floor


def _begins(fold: Fold, floor: int, row: RowDifference) -> bool:
    """Whether a row may hang on events from before a time."""
    reach, time = fold.step.reach, row.key[1]
    assert isinstance(time, int)
    return reach.before_ms is None or time < floor + reach.before_ms


def _rows_of(snapshot: StoreSnapshot, fold: Fold) -> tuple[int, list[RowDifference], int]:
    """How many rows a fold has, those that differ, and how many keys nobody can tell of."""
    telling = timeline_of(fold)
    differences: list[RowDifference] = []
    row_count = overflowing = 0
    for page in _pages(snapshot, telling.table):
        chunks = snapshot.rows(telling.table, page)
        beyond = overflow_of(chunks, telling.table).select(fold.key).unique()
        if fold.step.kind == "sequence":
            # Rows that are merged know of events that are told no more; others don't.
            beyond = beyond.clear()
        overflowing += beyond.height
        chunks = chunks.join(beyond, on=fold.key, how="anti")
        spans = page.join(beyond, on=fold.key, how="anti").with_columns(
            pl.lit(EARLIEST_MS).alias(RANGE_FROM), pl.lit(LATEST_MS).alias(RANGE_TO)
        )
        story = events_in(chunks, telling.table, telling.fields)
        expected = _by_key(fold.table, fold.step.rows(fold.step.relevant(story), fold.key))
        found = _by_key(fold.table, snapshot.rows(fold.table, spans))
        row_count += len(found)
        differences += [
            RowDifference(fold.name, key, expected.get(key), found.get(key))
            for key in sorted(expected.keys() | found.keys(), key=str)
            if expected.get(key) != found.get(key)
        ]
    for keys in _pages(snapshot, fold.table):
        told = snapshot.rows(telling.table, keys).select(fold.key).unique()
        without = snapshot.rows(fold.table, keys.join(told, on=fold.key, how="anti"))
        differences += [
            RowDifference(fold.name, key, None, values)
            for key, values in _by_key(fold.table, without).items()
        ]
    return row_count, differences, overflowing


def _hours(chunks: pl.DataFrame, telling: Telling) -> Iterator[tuple[Key, tuple[int, int | None]]]:
    """Of each hour of each key how many events there were, and the sum of the hashes of those that
    are told; None for it where some are not."""
    key = telling.key
    totals: dict[Key, int] = {}
    for event in events_in(chunks, telling.table, telling.fields).iter_rows(named=True):
        place = (event.pop(key), event["timestamp"] // HOUR_MS * HOUR_MS)
        totals[place] = (totals.get(place, 0) + _mark(event)) % _BITS
    counts = chunks.group_by(key, "hour").agg(pl.col("event_count").sum())
    for who, hour, count in counts.sort(key, "hour").iter_rows():
        told = None if count > EVENTS_MAX else totals.get((who, hour), 0)
        yield (who, hour), (count, told)


def _mark(event: Mapping[str, object]) -> int:
    """A hash of all fields of an event."""
    known = sorted((name, value) for name, value in event.items() if value is not None)
    # A whole number is the same value as a real one.
    plain = [(n, float(v) if isinstance(v, int) and n == "value" else v) for n, v in known]
    return xxhash.xxh64_intdigest(repr(plain).encode("utf-8", "surrogatepass"))


def _pages(snapshot: StoreSnapshot, table: RowTable) -> Iterator[pl.DataFrame]:
    """All keys of a table, some at a time, each once."""
    (key,) = table.group_key
    after: tuple[int | str, ...] | None = None
    last: str | None = None
    while True:
        page = snapshot.row_page(table, after=after, limit=_PAGE)
        keys = page.select(key).unique(maintain_order=True)
        fresh = keys if last is None else keys.filter(pl.col(key) != last)
        if not fresh.is_empty():
            yield fresh
        if page.height < _PAGE:
            return
        after, last = page.select(table.primary_key).row(-1), keys.item(-1, 0)


def _by_key(table: RowTable, rows: pl.DataFrame) -> dict[Key, Values]:
    width = len(table.primary_key)
    names = [*table.primary_key, *table.value_names]
    return {row[:width]: row[width:] for row in rows.select(names).iter_rows()}


def _hour(place: Key) -> int:
    hour = place[1]
    assert isinstance(hour, int)
    return hour
