"""The oracle: what the answers must be, computed as naively as possible, one event at a time.

Shares nothing with the engines but the rules of a single record (`codec.decode`) and the data that
describes metrics and tables. Slow, obvious, and therefore right.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import xxhash

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.steps import ahead_of_clock, assigned_id, behind_lateness
from rtcdp.definitions import Measure, Metric, Side, Window, holds, tables_of
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.events.calendar import CalendarStart
from rtcdp.events.codec import decode
from rtcdp.events.columns import from_event
from rtcdp.events.dead_letter import Rejection
from rtcdp.events.derived import text_in
from rtcdp.log.contract import RawRecord
from rtcdp.verify.judge import repeated, taken_in

Row = dict[str, object]
Key = tuple[object, ...]
Value = str | float | None


class Oracle:
    """Feed it every record of the log in order, and `on_admitted` is told each event; then `rows`
    holds every table, keyed by primary key, `ledger` counts (source, minute, verdict), and
    `conflicts` the duplicates that differed.

    Top-k tables are exact here whatever their size; distinct tables hold all members.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        rules: AdmissionRules | Callable[[RawRecord], AdmissionRules],
        is_duplicate: Callable[[RawRecord], bool] | None = None,
        recorded: Callable[[RawRecord], str] = lambda _: "erased",
    ) -> None:
        """`rules` may depend on where a record lies. `is_duplicate` is asked where nobody can tell
        from the records alone which of them came first, and `recorded` for the verdict on one that
        was let go of since."""
        metrics = self._metrics = stored_metrics(metrics)
        self._rules_of = rules if callable(rules) else lambda _: rules
        self._is_duplicate, self._recorded = is_duplicate, recorded
        self._tables = {metric.name: tables_of(metric) for metric in metrics}
        self._seen: defaultdict[tuple[str, str], list[RawRecord]] = defaultdict(list)
        self.rows: dict[str, dict[Key, list[Value]]] = {
            table.name: {} for metric in metrics for table in tables_of(metric)
        }
        self.ledger: Counter[tuple[str, int, str]] = Counter()
        self.conflicts = 0
        self.on_admitted: Callable[[Row], None] = lambda _: None

    def feed(self, records: Iterable[RawRecord]) -> "Oracle":
        for record in records:
            verdict = self._verdict(record)
            minute = record.received_at // 60_000 * 60_000
            self.ledger[record.source, minute, verdict] += record.stands_for
        return self

    def _verdict(self, record: RawRecord) -> str:
        if record.is_aged:
            return self._recorded(record)
        if record.is_erased:
            return "erased"
        event = decode(record.raw)
        if record.is_corrupt or record.stands_for > 1 or isinstance(event, Rejection):
            return "dead_letter"
        rules = self._rules_of(record)
        if ahead_of_clock(event.timestamp_ms, record.received_at, rules) > 0:
            return "dead_letter"
        lateness = behind_lateness(event.timestamp_ms, record.received_at, rules)
        if record.intake == "live" and lateness > 0:
            return "late"
        event_id = event.event_id
        if event_id is None and record.replay_of is not None:
            event_id = assigned_id(record.replay_of)
        if event_id is not None:
            earlier = self._seen[record.source, event_id]
            found = repeated(record, earlier, rules.dedup_window_ms)
            insort(earlier, record, key=taken_in)
            is_repeat = found.verdict == "duplicate"
            if self._is_duplicate(record) if self._is_duplicate else is_repeat:
                self.conflicts += found.reason == "conflict"
                return "duplicate"
        admitted = {**from_event(event), "source": record.source}
        self._count(admitted)
        self.on_admitted(admitted)
        return "admitted"

    def _count(self, event: Row) -> None:
        for metric in self._metrics:
            key = tuple(text_in(field, event) for field in metric.key)
            if None in key or not holds(metric.predicate, event):
                continue
            for bucket in buckets_of(metric, event):
                self._count_in(metric, (bucket, *key), event)

    def _count_in(self, metric: Metric, key: Key, event: Row) -> None:
        tables = self._tables[metric.name]
        buckets, *sides = (self.rows[table.name] for table in tables)
        merges = [column.merge for column in tables[0].columns]
        new = [value for measure in metric.measures for value in _brought(measure, event)]
        if metric.window.column is not None:
            new.insert(0, metric.window.end_of(int(str(key[0]))))
        old = buckets.get(key)
        buckets[key] = new if old is None else list(map(merged, merges, old, new))
        with_sides = [(m, kind) for m in metric.measures if (kind := m.side()) is not None]
        for (measure, kind), side in zip(with_sides, sides, strict=True):
            value = _text_in(kind, event)
            if value is None or not _looks_at(measure, event):
                continue
            if kind.bound == "smallest_members":
                side[*key, _signed_hash(str(value))] = []
            else:
                place = (*key, value)
                side[place] = [merged("add", 1, *side.get(place, [None]))]


def buckets_of(metric: Metric, event: Row) -> list[int]:
    """The starts (UTC ms) of the metric's buckets that an event of that `timestamp` is in."""
    window, instant = metric.window, event["timestamp"]
    assert isinstance(instant, int)
    if not isinstance(window, Window):
        start = CalendarStart(window.unit, window.zone, window.week_starts).of_event(event)
        return [int(start)]
    if not window.is_written_out:
        return [instant - instant % window.pane_ms]
    newest = instant - instant % window.slide_ms
    starts = range(newest, instant - window.size_ms, -window.slide_ms)
    return list(starts)


def _brought(measure: Measure, event: Row) -> list[Value]:
    """What one event brings to the columns of a measure; nothing when it doesn't look at it."""
    if _looks_at(measure, event):
        return list(measure.of_event(event))
    return [0 if part.merge == "add" else None for part in measure.parts()]


def _text_in(side: Side, event: Row) -> object:
    return event[side.field] if isinstance(side.field, str) else side.field.of_event(event)


def _looks_at(measure: Measure, event: Row) -> bool:
    return measure.where is None or holds(measure.where, event)


def merged(merge: str, old: Any, new: Any) -> Value:
    """Two values of a column as one, by its rule."""
    known: list[Value] = [value for value in (old, new) if value is not None]
    if len(known) < 2:
        return known[0] if known else None
    both: Value = old + new if merge == "add" else (min if merge == "min" else max)(old, new)
    return both


def _signed_hash(text: str) -> int:
    unsigned = xxhash.xxh64_intdigest(text.encode())
    return unsigned - 2**64 if unsigned >= 2**63 else unsigned


def smallest_members(rows: dict[Key, list[Value]], capacity: int) -> set[Key]:
    """The keys that a member table keeps: of each group the `capacity` smallest members."""
    groups: defaultdict[Key, list[Key]] = defaultdict(list)
    for key in rows:
        groups[key[:-1]].append(key)
    return {key for group in groups.values() for key in sorted(group, key=_last)[:capacity]}


def _last(key: Key) -> int:
    assert isinstance(key[-1], int)
    return key[-1]
