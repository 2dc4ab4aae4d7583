"""The independent judge: verdicts, ledger and rows of a log, by the written rules alone.

Shares with the product its wire format and docs/semantics.md, and no line of code. A metric is a
dictionary, as `plain_metric` makes it; `without` are places of records that were gone before it.
"""

import operator
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import floor
from typing import Any, NamedTuple, Protocol

from rtcdp.verify.event_text import Unfit, event_of
from rtcdp.verify.event_values import Event, starts_of, value_in

Place = tuple[int, int]  # a partition and an offset
Key = tuple[Any, ...]
ERASED = "erased"
_EVERYTHING: Mapping[str, Any] = {"is": "all", "of": ()}
_COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_COMPARISONS |= {"==": operator.eq}


class PlainRecord(NamedTuple):
    """A record as it lies in the log; `received_at` is UTC ms."""

    partition: int
    offset: int
    received_at: int
    source: str
    intake: str
    raw: bytes
    replay_of: str | None = None
    is_corrupt: bool = False
    stands_for: int = 1  # rejected records of one request, of which it is the first
    is_aged: bool = False  # its bytes are gone, and its verdict stands


class Taken(Protocol):
    """A record, as far as repeats are told by it."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def received_at(self) -> int: ...
    @property
    def raw(self) -> bytes: ...


class Rules(NamedTuple):
    """Limits in ms that hold from these offsets on; a partition that is not named, from its 0."""

    max_clock_skew_ms: int
    allowed_lateness_ms: int
    dedup_window_ms: int
    from_offsets: Mapping[int, int] = {}


class Verdict(NamedTuple):
    """`verdict` is admitted, duplicate, late, dead_letter or erased; `reason` is empty where
    admitted or erased."""

    verdict: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}" if self.reason else self.verdict


class Judge:
    """Feed it records in the order of their decision, and ask what should have come of them.

    `rules` are those in force, the oldest first. `given` are verdicts that nobody can foretell, as
    they were recorded: records that the engine failed at, those that were erased with their user or
    let go of since, and repeats of records that are gone.
    With `keeps_events`, what is admitted is kept in `admitted`, for the stories that it tells.
    """

    def __init__(
        self,
        metrics: Sequence[Mapping[str, Any]],
        rules: Sequence[Rules],
        given: Mapping[Place, Verdict] = {},
        *,
        keeps_events: bool = False,
    ) -> None:
        self._metrics, self._rules, self._given = metrics, rules, given
        self._earlier: defaultdict[Key, list[PlainRecord]] = defaultdict(list)
        self._counted: defaultdict[str, dict[Key, list[Event]]] = defaultdict(dict)
        self.verdicts: dict[Place, Verdict] = {}
        self.newest: dict[int, int] = {}
        self.event_times: dict[Place, int] = {}
        self.ids: dict[Place, Key] = {}
        self.ledger: defaultdict[tuple[str, int], Counter[str]] = defaultdict(Counter)
        self.set_aside: list[Place] = []  # given as dead letters, and would count
        self.admitted: list[Event] | None = [] if keeps_events else None

    def feed(self, records: Iterable[PlainRecord]) -> "Judge":
        """Judge all of these, and count what is admitted."""
        for record in records:
            place = (record.partition, record.offset)
            event, verdict = self._judged(record, self._given.get(place))
            self.verdicts[place] = verdict
            self.newest[place[0]] = max(record.received_at, self.newest.get(place[0], 0))
            minute = self.ledger[record.source, record.received_at // 60_000 * 60_000]
            counted = ("received", verdict.verdict, *["conflict"] * (verdict[1] == "conflict"))
            minute.update(dict.fromkeys(counted, record.stands_for))
            if verdict.verdict == "admitted" and not record.is_aged:
                if self.admitted is not None:
                    self.admitted.append(event | {"source": record.source})
                for metric in self._metrics:
                    if place not in metric.get("without", ()):
                        self._count(metric, event | {"source": record.source})
        return self

    def rows(self, metric: Mapping[str, Any]) -> dict[Key, dict[str, Any]]:
        """By window start (UTC ms) and key, the value of each measure; see `value_of`."""
        return {
            key: {measure["name"]: value_of(measure, events) for measure in metric["measures"]}
            for key, events in self._counted[metric["name"]].items()
        }

    def _judged(self, record: PlainRecord, given: Verdict | None) -> tuple[dict[str, Any], Verdict]:
        """The event's fields, if it is one, and the verdict."""
        place = (record.partition, record.offset)
        if given is not None and given.verdict == ERASED:
            return {}, given
        if record.is_aged:
            return {}, given or Verdict("admitted")
        if record.is_corrupt:
            return {}, Verdict("dead_letter", "corrupt")
        try:
            event = event_of(record.raw)
        except Unfit as unfit:
            return {}, given or Verdict("dead_letter", str(unfit))
        if record.stands_for > 1:
            return {}, Verdict("dead_letter", "corrupt")
        self.event_times[place] = event_time = event["timestamp"]
        rules = [r for r in self._rules if place[1] >= r.from_offsets.get(place[0], 0)][-1]
        if event_time - record.received_at > rules.max_clock_skew_ms:
            return event, given or Verdict("dead_letter", "future")
        if record.intake == "live" and record.received_at - event_time > rules.allowed_lateness_ms:
            return event, given or Verdict("late", "late")
        own_id = ("client", event["eventId"]) if event["eventId"] else ("replay", record.replay_of)
        name = (record.source, *own_id)
        earlier = self._earlier[name] if own_id[1] else []
        verdict = repeated(record, earlier, rules.dedup_window_ms)
        if given is not None and given.verdict == "dead_letter":
            if verdict.verdict == "admitted":
                self.set_aside.append(place)
            return event, given
        insort(earlier, record, key=taken_in)
        self.ids[place] = name
        return event, given or verdict

    def _count(self, metric: Mapping[str, Any], event: Event) -> None:
        """Add an event to every window of a metric that it falls into."""
        key = tuple(value_in(field, event) for field in metric["key"])
        if None in key or not holds(metric["predicate"], event):
            return
        for start in starts_of(metric, event["timestamp"]):
            self._counted[metric["name"]].setdefault((start, *key), []).append(event)


def taken_in(record: Taken) -> tuple[int, ...]:
    """What sorts records of an id by their intake."""
    return record.received_at, record.partition, record.offset


def repeated(record: Taken, earlier: Sequence[Taken], window_ms: int) -> Verdict:
    """The verdict on the record of an id after those that came to this step, by `taken_in`."""
    at, length = record.received_at, max(window_ms, 1)
    first = _count_before(earlier, at - window_ms)
    if first == _count_before(earlier, at + window_ms + 1):
        return Verdict("admitted")
    end = (at // length + 1) * length  # of its own stretch of time
    last = _count_before(earlier, end)
    last = last if last > first else _count_before(earlier, end + length)
    return Verdict("duplicate", "duplicate" if record.raw == earlier[last - 1].raw else "conflict")


def _count_before(records: Sequence[Taken], instant: int) -> int:
    start: tuple[int, ...] = (instant,)
    return bisect_left(records, start, key=taken_in)


def holds(predicate: Mapping[str, Any], event: Event) -> bool:
    """Does the event count? A comparison with an absent field is false."""
    if (kind := predicate["is"]) in ("all", "any"):
        return (all if kind == "all" else any)(holds(inner, event) for inner in predicate["of"])
    if kind == "not":
        return not holds(predicate["of"], event)
    value = value_in(predicate["field"], event)
    if kind == "compare":
        compare = _COMPARISONS[predicate["comparison"]]
        return value is not None and bool(compare(value, predicate["limit"]))
    return value is not None if kind == "present" else value in predicate["texts"]


def value_of(measure: Mapping[str, Any], events: Sequence[Event]) -> Any:
    """A number; an exact sum in millionths; of an average that and how many it is of; of distinct
    the set; of the most frequent all of them with their counts."""
    events = [event for event in events if holds(measure.get("where", _EVERYTHING), event)]
    if measure["kind"] == "count":
        return len(events)
    values = [value_in(measure["field"], event) for event in events]
    return _MEASURES[measure["kind"]]([value for value in values if value is not None])


def millionths(values: Iterable[float]) -> int:
    """Whole units, and of each value's rest the millionths, rounded in doubles as is written."""
    return sum(
        floor(value) * 1_000_000 + floor((value - floor(value)) * 1_000_000.0 + 0.5)
        for value in values
    )


_MEASURES: dict[str, Callable[[list[Any]], Any]] = {
    "sum": millionths,
    "average": lambda values: (millionths(values), len(values)),
    "minimum": lambda values: min(values, default=None),
    "maximum": lambda values: max(values, default=None),
    "distinct": set,
    "topk": Counter,
}
