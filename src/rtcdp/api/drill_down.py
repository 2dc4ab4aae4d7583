"""The events behind a number: found in the log, with the verdict that each one met.

The store remembers which event times each epoch read; only those stretches of the log are read,
in slices. One call reads a bounded number of bytes and says where to go on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rtcdp.api.limits import ApiLimits
from rtcdp.api.matching import Wish, is_wished
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, CustomerActivityEvent
from rtcdp.log.log import LogReader, OffsetsMissing, RawRecord, Records
from rtcdp.store.store import StoreSnapshot, UncountedScan

Place = tuple[int, int]
"""A partition and an offset in it."""

ADMITTED = "admitted"
UNKNOWN = "unknown"
"""The verdict of a record from a time of which the store no longer has what was not counted."""


@dataclass(frozen=True)
class Stretch:
    """Offsets [`first_offset`, `next_offset`) of a partition."""

    partition: int
    first_offset: int
    next_offset: int


@dataclass(frozen=True)
class Judged:
    """A record, the event in it if there is one, and what admission said of it."""

    record: RawRecord
    event: CustomerActivityEvent | None
    verdict: str
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class EventPage:
    """`after` is where to go on reading; None says it is the end. `is_trimmed` says that the log
    no longer holds all the records that were read for the counts."""

    items: list[Judged]
    after: Place | None
    is_trimmed: bool


@dataclass(frozen=True)
class EventQuery:
    """`verdict` None means any. `start` is the `after` of the page before."""

    wish: Wish
    verdict: str | None
    start: Place | None
    limit: int


def read_events(
    log: LogReader, snapshot: StoreSnapshot, query: EventQuery, limits: ApiLimits
) -> EventPage:
    """A page of events in log order, partition by partition; only what was committed.

    Records that are no event are found only when nothing but the source and verdict is asked for.
    """
    kept, is_trimmed = _still_there(log, _stretches(log, snapshot, query.wish))
    items: list[Judged] = []
    budget = limits.events_bytes
    for stretch in kept:
        offset = _resume(stretch, query.start)
        while offset < stretch.next_offset:
            place = (stretch.partition, offset)
            if budget <= 0:
                return EventPage(items, place, is_trimmed)
            try:
                records = log.read(*place, limits.slice_bytes).until(stretch.next_offset)
            except OffsetsMissing:
                is_trimmed = True
                break
            if len(records) == 0:
                is_trimmed = True
                break
            for found in _matching(records, snapshot, query):
                if len(items) == query.limit:
                    return EventPage(items, (place[0], found.record.offset), is_trimmed)
                items.append(found)
            budget -= max(1, len(records.lines) + sum(len(odd.raw) for odd in records.odd))
            offset = records.next_offset
    return EventPage(items, None, is_trimmed)


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


def _matching(records: Records, snapshot: StoreSnapshot, query: EventQuery) -> Iterator[Judged]:
    texts = [text.encode() for name, text in query.wish.equals.items() if name != "source"]
    wished = [
        (record, event)
        for record in records.each()
        if _may_hold(record.raw, texts)
        for event in [_event_in(record)]
        if _is_wished(query.wish, record, event)
    ]
    if not wished:
        return
    uncounted = _uncounted_among(records, snapshot)
    known_from = snapshot.floors.uncounted_from or 0
    for record, event in wished:
        found = _judged(record, event, uncounted.get(record.offset), known_from)
        if query.verdict in (None, found.verdict):
            yield found


def _may_hold(raw: bytes, texts: Sequence[bytes]) -> bool:
    """Cheaper than decoding: without escapes, a text stands in the record as it is."""
    return all(text in raw for text in texts) or b"\\" in raw


def _event_in(record: RawRecord) -> CustomerActivityEvent | None:
    if record.is_corrupt:
        return None
    event = decode(record.raw)
    return None if isinstance(event, Rejection) else event


def _is_wished(wish: Wish, record: RawRecord, event: CustomerActivityEvent | None) -> bool:
    if event is not None:
        return is_wished(wish, event, record.source)
    return wish in (Wish(), Wish(equals={"source": record.source}))


def _uncounted_among(records: Records, snapshot: StoreSnapshot) -> Mapping[int, Mapping[str, Any]]:
    scan = UncountedScan(
        partition=records.partition,
        offset_from=records.first_offset,
        offset_to=records.next_offset,
        limit=records.record_count,
    )
    return {row["offset"]: row for row in snapshot.uncounted(scan).drop("raw").to_dicts()}


def _judged(
    record: RawRecord,
    event: CustomerActivityEvent | None,
    row: Mapping[str, Any] | None,
    known_from: int,
) -> Judged:
    if row is None and event is None:
        return Judged(record, event, "dead_letter")
    if row is None:
        is_known = record.received_at >= known_from or record.received_at <= 0
        return Judged(record, event, ADMITTED if is_known else UNKNOWN)
    return Judged(record, event, row["verdict"], row["reason"], row["message"])
