"""The events behind a number: found in the log, with the verdict that each one met.

The store remembers which event times each epoch read; only those stretches of the log are read,
in slices. One call reads a bounded number of bytes and says where to go on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, cast

import msgspec

from rtcdp.answers.products_as_of import ProductsAsOf
from rtcdp.breather import Breather
from rtcdp.definitions import Measure, Metric, holds
from rtcdp.definitions.enrichment import attributes_of
from rtcdp.events.codec import decode, decode_all
from rtcdp.events.columns import from_event
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.derived import Text, text_in
from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, CustomerActivityEvent
from rtcdp.log.contract import LogReader, OffsetsMissing, RawRecord, Records
from rtcdp.store import StoreSnapshot, UncountedScan

Place = tuple[int, int]
"""A partition and an offset in it."""

ADMITTED = "admitted"
UNKNOWN = "unknown"
"""The verdict of a record from a time of which the store no longer has what was not counted."""

WAITING = "waiting"
"""What is said of a record that no processor has counted yet."""

_DECODED_TOGETHER = 50
_RECORDS_AT_FIRST = 64
"""Backwards, as long a step is taken as fits a slice. How long records are shows the first one."""
_BYTES_EACH = 256
"""How long records are taken to be for a page's first step forwards."""
_GROWTH = 4


@dataclass(frozen=True)
class Wish:
    """Events with these text fields, each equal to one text or to any of several, and an event time
    in [`time_from`, `time_to`) (UTC ms).

    With a `metric`, only those that it counts: its predicate holds and every key field is there;
    with a `measure` of it, only those that the measure looks at. What it is keyed by of products is
    looked up among `products`.
    """

    equals: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    time_from: int | None = None
    time_to: int | None = None
    metric: Metric | None = None
    measure: Measure | None = None
    products: "ProductsAsOf | None" = None

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """`equals` with a tuple of texts for each field."""
        return {
            name: (wanted,) if isinstance(wanted, str) else wanted
            for name, wanted in self.equals.items()
        }


@dataclass(frozen=True)
class Stretch:
    """Offsets [`first_offset`, `next_offset`) of a partition."""

    partition: int
    first_offset: int
    next_offset: int


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A record, whether there is an event in it, and what admission said of it."""

    record: RawRecord
    is_event: bool
    verdict: str
    reason: str | None = None
    message: str | None = None

    @property
    def event(self) -> CustomerActivityEvent | None:
        """The event, decoded anew each time."""
        return cast("CustomerActivityEvent", decode(self.record.raw)) if self.is_event else None


@dataclass(frozen=True)
class EventPage:
    """`after` is where to go on reading; None says it is the end. `is_trimmed` says that the log
    no longer holds all the records that were read for the counts."""

    items: list[Judged]
    after: Place | None
    is_trimmed: bool


@dataclass(frozen=True)
class EventQuery:
    """`verdict` None means any, several any of them. `start` is the `after` of the page before.
    `newest_first` goes through the log backwards."""

    wish: Wish
    verdict: str | tuple[str, ...] | None
    start: Place | None
    limit: int
    newest_first: bool = False

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The wanted ones; none means any."""
        if self.verdict is None:
            return ()
        return (self.verdict,) if isinstance(self.verdict, str) else self.verdict


@dataclass(frozen=True)
class Effort:
    """What one page may cost: `events_bytes` of the log are read for it at most, in slices of
    `slice_bytes`."""

    events_bytes: int = 8 * 2**20
    slice_bytes: int = 2**20


def read_events(
    log: LogReader, snapshot: StoreSnapshot, query: EventQuery, effort: Effort = Effort()
) -> EventPage:
    """A page of events in log order, partition by partition, or in the reverse of it; only what was
    committed.

    Records that are no event are found only when nothing but the source and verdict is asked for.
    """
    kept, is_trimmed = _still_there(log, _stretches(log, snapshot, query.wish))
    page = _Page(query.limit, effort.events_bytes, is_trimmed)
    source = _Source(log, snapshot, query, effort.slice_bytes)
    fill = _newest_first if query.newest_first else _oldest_first
    after = fill(source, kept, page)
    return EventPage(page.items, after, page.is_trimmed)


@dataclass(frozen=True)
class _Source:
    """Where events are looked for, and which."""

    log: LogReader
    snapshot: StoreSnapshot
    query: EventQuery
    slice_bytes: int

    def read(self, place: Place, next_offset: int, max_bytes: int | None = None) -> Records | None:
        """Records from a place on, before `next_offset`; None where they are no longer kept."""
        size = self.slice_bytes if max_bytes is None else min(max_bytes, self.slice_bytes)
        try:
            records = self.log.read(*place, size)
        except OffsetsMissing:
            return None
        return records.until(next_offset) if len(records) else None

    def matching(self, records: Records) -> Iterator[Judged]:
        return matching(records, self.snapshot, self.query.wish, self.query.verdicts)


@dataclass
class _Page:
    """A page that fills: how much may still be read for it, and whether records were missing."""

    limit: int
    budget: int
    is_trimmed: bool
    items: list[Judged] = field(default_factory=list)

    @property
    def room(self) -> int:
        """How many more it takes."""
        return self.limit - len(self.items)

    def take(self, found: Judged) -> bool:
        """Add an event, unless the page is full."""
        if len(self.items) == self.limit:
            return False
        self.items.append(found)
        return True


def _oldest_first(source: _Source, stretches: Sequence[Stretch], page: _Page) -> Place | None:
    """Fill the page; returns the place where the next one begins, None at the end."""
    looked_at = 0
    for stretch in stretches:
        offset, at_once = _resume(stretch, source.query.start), _BYTES_EACH * (page.room + 1)
        while offset < stretch.next_offset:
            place = (stretch.partition, offset)
            if page.budget <= 0:
                return place
            records = source.read(place, stretch.next_offset, at_once)
            if records is None:
                page.is_trimmed = True
                break
            for run in _runs(records, max(page.room + 1, looked_at)):
                for found in source.matching(run):
                    if not page.take(found):
                        return (stretch.partition, found.record.offset)
            page.is_trimmed |= _has_let_go(records)
            page.budget -= _bytes_of(records)
            looked_at += records.record_count
            offset, at_once = records.next_offset, _GROWTH * at_once
    return None


def _runs(records: Records, first: int) -> Iterator[Records]:
    """The same records in runs, of `first` offsets and then ever longer: to fill a page no more are
    looked at than it takes, where most of them are wished."""
    start, length = records.first_offset, first
    while start < records.next_offset:
        end = min(start + length, records.next_offset)
        yield records.since(start).until(end)
        start, length = end, _GROWTH * length


def _newest_first(source: _Source, stretches: Sequence[Stretch], page: _Page) -> Place | None:
    """The same backwards; the place is the one after the next event."""
    for stretch in reversed(stretches):
        end, at_once = _resume_before(stretch, source.query.start), _RECORDS_AT_FIRST
        while end > stretch.first_offset:
            if page.budget <= 0:
                return (stretch.partition, end)
            start = max(stretch.first_offset, end - at_once)
            block = _Block(source, stretch.partition, start, end)
            for found in reversed(block.matching):
                if not page.take(found):
                    return (stretch.partition, found.record.offset + 1)
            page.budget -= block.byte_count
            page.is_trimmed |= block.is_trimmed
            fitting = source.slice_bytes * (end - start) // max(1, block.byte_count)
            at_once = max(1, min(_GROWTH * at_once, fitting))
            end = start
    return None


class _Block:
    """The wished events of offsets [`start`, `end`), read to its end, and how much that was."""

    def __init__(self, source: _Source, partition: int, start: int, end: int) -> None:
        self.matching: list[Judged] = []
        self.byte_count = 0
        self.is_trimmed = False
        while start < end:
            records = source.read((partition, start), end)
            if records is None:
                self.is_trimmed = True
                return
            self.matching += source.matching(records)
            self.is_trimmed |= _has_let_go(records)
            self.byte_count += _bytes_of(records)
            start = records.next_offset


def _has_let_go(records: Records) -> bool:
    """Whether some of them are kept for no longer, so that nobody can tell what they were."""
    return any(odd.is_aged for odd in records.odd)


def _bytes_of(records: Records) -> int:
    return max(1, len(records.lines) + sum(len(odd.raw) for odd in records.odd))


def _stretches(log: LogReader, snapshot: StoreSnapshot, wish: Wish) -> list[Stretch]:
    """Where wished events can be, in log order, each stretch once."""
    if wish.time_from is None and wish.time_to is None:
        committed = snapshot.progress.next_offsets
        return [
            Stretch(partition, 0, committed.get(partition, 0))
            for partition in sorted(log.partitions())
        ]
    spans = snapshot.spans(
        MIN_TIMESTAMP_MS if wish.time_from is None else wish.time_from,
        MAX_TIMESTAMP_MS + 1 if wish.time_to is None else wish.time_to,
    )
    merged: list[Stretch] = []
    for span in sorted(spans, key=lambda span: (span.partition, span.first_offset)):
        last = merged[-1] if merged else None
        if last and last.partition == span.partition and span.first_offset <= last.next_offset:
            end = max(last.next_offset, span.next_offset)
            merged[-1] = Stretch(last.partition, last.first_offset, end)
        else:
            merged.append(Stretch(span.partition, span.first_offset, span.next_offset))
    return merged


def _still_there(log: LogReader, stretches: Sequence[Stretch]) -> tuple[list[Stretch], bool]:
    """What the log still holds of the stretches, and whether that is less than all."""
    first = {partition: log.extent(partition).first_offset for partition in log.partitions()}
    kept = [
        Stretch(s.partition, max(s.first_offset, first[s.partition]), s.next_offset)
        for s in stretches
        if s.partition in first and s.next_offset > first[s.partition]
    ]
    return kept, kept != [s for s in stretches if s.next_offset > s.first_offset]


def _resume(stretch: Stretch, start: Place | None) -> int:
    if start is None or start[0] < stretch.partition:
        return stretch.first_offset
    if start[0] > stretch.partition:
        return stretch.next_offset
    return max(stretch.first_offset, start[1])


def _resume_before(stretch: Stretch, start: Place | None) -> int:
    if start is None or start[0] > stretch.partition:
        return stretch.next_offset
    if start[0] < stretch.partition:
        return stretch.first_offset
    return min(stretch.next_offset, start[1])


def matching(
    records: Records, snapshot: StoreSnapshot, wish: Wish, verdicts: Sequence[str] = ()
) -> Iterator[Judged]:
    """The wished ones of some records, with what became of each; those with one of `verdicts`, if
    there are any. Said of one event at a time in plain Python: for looking, not for the hot path.

    Records that are no event are found only when nothing but the source is wished for.
    """
    if wish == Wish():
        yield from _all_of(records, snapshot, verdicts)
        return
    texts = [
        [text.encode() for text in wanted]
        for name, wanted in wish.texts.items()
        if name not in ("source", *_looked_up(wish))
    ]
    likely = (r for r in records.each() if not r.is_aged and _may_hold(r.raw, texts))
    wished = [
        (record, event is not None)
        for record, event in _with_events(likely)
        if _is_wished(wish, record, event)
    ]
    if wished:
        yield from _with_verdicts(wished, _Verdicts.of(records, snapshot), verdicts)


def _all_of(records: Records, snapshot: StoreSnapshot, wanted: Sequence[str]) -> Iterator[Judged]:
    """All the records. What was counted is an event, and is not decoded to see that."""
    said = _Verdicts.of(records, snapshot)
    every = [record for record in records.each() if not record.is_aged]
    doubtful = _with_events(record for record in every if not said.counts(record.offset))
    is_event = {record.offset: event is not None for record, event in doubtful}
    wished = [(record, is_event.get(record.offset, True)) for record in every]
    yield from _with_verdicts(wished, said, wanted)


def _with_verdicts(
    wished: Sequence[tuple[RawRecord, bool]], said: "_Verdicts", wanted: Sequence[str]
) -> Iterator[Judged]:
    breather = Breather()
    for record, is_event in wished:
        breather.breathe()
        found = said.judged(record, is_event)
        if not wanted or found.verdict in wanted:
            yield found


def with_products(wish: Wish, snapshot: StoreSnapshot) -> Wish:
    """The same wish, with what it takes to look products up, where its metric needs that."""
    if wish.metric is None or not attributes_of(wish.metric):
        return wish
    return replace(wish, products=ProductsAsOf(snapshot))


def _looked_up(wish: Wish) -> list[str]:
    """The names of key fields that stand in no record."""
    return [] if wish.metric is None else [part.name for part in attributes_of(wish.metric)]


def _may_hold(raw: bytes, texts: Sequence[Sequence[bytes]]) -> bool:
    """Cheaper than decoding: without escapes, a text stands in the record as it is."""
    return all(any(text in raw for text in wanted) for wanted in texts) or b"\\" in raw


def _with_events(
    records: Iterator[RawRecord],
) -> Iterator[tuple[RawRecord, CustomerActivityEvent | None]]:
    """Each record with the event in it, if there is one."""
    breather = Breather()
    while run := list(islice(records, _DECODED_TOGETHER)):
        breather.breathe()
        for record, event in zip(run, decode_all([each.raw for each in run]), strict=True):
            is_none = record.is_corrupt or isinstance(event, Rejection)
            yield record, None if is_none else cast("CustomerActivityEvent", event)


def _is_wished(wish: Wish, record: RawRecord, event: CustomerActivityEvent | None) -> bool:
    if event is not None:
        return is_wished(wish, event, record.source)
    if replace(wish, equals={}) != Wish() or set(wish.equals) - {"source"}:
        return False
    return record.source in wish.texts.get("source", (record.source,))


def is_wished(wish: Wish, event: CustomerActivityEvent, source: str) -> bool:
    """Whether the event, which came from `source`, is one of the wished ones. Says the same as the
    engines' columnar predicates."""
    if wish.time_from is not None and event.timestamp_ms < wish.time_from:
        return False
    if wish.time_to is not None and event.timestamp_ms >= wish.time_to:
        return False
    fields = {**from_event(event), "source": source}
    if wish.products is not None:
        fields |= wish.products.of_event(event.product_id, event.timestamp_ms)
    metric = wish.metric
    parts = {} if metric is None else dict(zip(metric.key_names, metric.key, strict=True))
    for name, texts in wish.texts.items():
        if text_in(parts.get(name, cast("Text", name)), fields) not in texts:
            return False
    if metric is None:
        return True
    has_key = all(text_in(part, fields) is not None for part in metric.key)
    where = None if wish.measure is None else wish.measure.where
    return has_key and holds(metric.predicate, fields) and (where is None or holds(where, fields))


@dataclass(frozen=True)
class _Verdicts:
    """What a store says of some records: the rows of the uncounted ones by offset, and the offsets
    of which it still knows every row."""

    uncounted: Mapping[int, Mapping[str, Any]]
    known: range

    @classmethod
    def of(cls, records: Records, snapshot: StoreSnapshot) -> "_Verdicts":
        scan = UncountedScan(
            partition=records.partition,
            offset_from=records.first_offset,
            offset_to=records.next_offset,
            limit=records.record_count,
        )
        rows = snapshot.uncounted(scan).drop("raw").to_dicts()
        progress, partition = snapshot.progress, records.partition
        known = range(
            progress.decided_from.get(partition, 0), progress.next_offsets.get(partition, 0)
        )
        return cls({row["offset"]: row for row in rows}, known)

    def counts(self, offset: int) -> bool:
        return offset in self.known and offset not in self.uncounted

    def judged(self, record: RawRecord, is_event: bool) -> Judged:
        row = self.uncounted.get(record.offset)
        if row is not None:
            return Judged(record, is_event, row["verdict"], row["reason"], row["message"])
        if record.offset >= self.known.stop:
            return Judged(record, is_event, WAITING)
        if not is_event:
            return Judged(record, is_event, "dead_letter")
        return Judged(record, is_event, ADMITTED if record.offset in self.known else UNKNOWN)
