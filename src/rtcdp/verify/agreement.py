"""Does an installation say what the judge says? Every difference, row by row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rtcdp.verify.event_values import end_of
from rtcdp.verify.judge import Judge, Key, Verdict
from rtcdp.verify.stored import Rows, Stored

DISTINCT_EXACT_UP_TO, DISTINCT_ERROR = 8_192, 0.06
"""Beyond the bound a distinct count is an estimate; five standard errors are allowed."""

TOP_EXACT_UP_TO = 10_000
"""Beyond the bound a count of a top list may fall short by the total over this."""

VIEW_ERROR = 1e-12
"""Databases divide and add floating-point numbers in an order of their own."""

PlainMetric = Mapping[str, Any]


@dataclass(frozen=True)
class Disagreement:
    """`about` says what was compared: verdict, ledger, span, watermark, "answer NAME" or "view
    NAME"; `key` which of it. None stands for what is not there."""

    about: str
    key: Key
    expected: object
    found: object

    def __str__(self) -> str:
        return f"{self.about} {self.key}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class Horizon:
    """What can be compared: windows that start at `windows_from` or later, ledger minutes from
    `minutes_from` on (UTC ms), and verdicts and spans of `offsets_from` on, by partition."""

    windows_from: int | None = None
    minutes_from: int | None = None
    offsets_from: Mapping[int, int] | None = None

    def has_window(self, key: Key) -> bool:
        return self.windows_from is None or key[0] >= self.windows_from

    def has_minute(self, minute: int) -> bool:
        return self.minutes_from is None or minute >= self.minutes_from

    def has_offset(self, partition: int, offset: int) -> bool:
        return self.offsets_from is None or offset >= self.offsets_from.get(partition, 0)


def disagreements(
    judge: Judge, stored: Stored, metrics: Sequence[PlainMetric], horizon: Horizon = Horizon()
) -> Iterator[Disagreement]:
    """All of them: verdicts with reasons, ledger minutes, spans, then rows metric by metric."""
    yield from _verdicts(judge, stored, horizon)
    yield from _ledger(judge, stored, horizon)
    yield from _spans(judge, stored, horizon)
    yield from _watermark(judge, stored)
    for metric in metrics:
        name = metric["name"]
        expected = {k: row for k, row in judge.rows(metric).items() if horizon.has_window(k)}
        for about, sides in (("answer", stored.answers), ("view", stored.views)):
            if name in sides:
                found = {k: row for k, row in sides[name].items() if horizon.has_window(k)}
                yield from _rows(f"{about} {name}", metric, expected, found)


def _verdicts(judge: Judge, stored: Stored, horizon: Horizon) -> Iterator[Disagreement]:
    admitted = Verdict("admitted")
    for place in sorted(judge.verdicts.keys() | stored.verdicts.keys()):
        expected = judge.verdicts.get(place)
        found = stored.verdicts.get(place, admitted)
        if expected != found and horizon.has_offset(*place):
            yield Disagreement("verdict", place, expected, found)


def _ledger(judge: Judge, stored: Stored, horizon: Horizon) -> Iterator[Disagreement]:
    for key in sorted(judge.ledger.keys() | stored.ledger.keys()):
        if horizon.has_minute(key[1]):
            expected, found = dict(judge.ledger.get(key, {})), dict(stored.ledger.get(key, {}))
            if expected != found:
                yield Disagreement("ledger", key, expected, found)


def _spans(judge: Judge, stored: Stored, horizon: Horizon) -> Iterator[Disagreement]:
    """Every event has to be found by its time in the spans that hold its offset."""
    spans: dict[int, list[tuple[int, int, int, int]]] = {}
    for span in stored.spans:
        if span.min_event_time is not None and span.max_event_time is not None:
            times = (span.min_event_time, span.max_event_time)
            spans.setdefault(span.partition, []).append(
                (span.first_offset, span.next_offset, *times)
            )
    for (partition, offset), event_time in judge.event_times.items():
        is_counted = judge.verdicts[partition, offset].reason != "processor_error"
        if (
            is_counted
            and horizon.has_offset(partition, offset)
            and not any(
                first <= offset < following and earliest <= event_time <= latest
                for first, following, earliest, latest in spans.get(partition, ())
            )
        ):
            yield Disagreement("span", (partition, offset), event_time, None)


def _watermark(judge: Judge, stored: Stored) -> Iterator[Disagreement]:
    """How far each partition's intake times have come, which makes windows final."""
    for partition, expected in judge.newest.items():
        if stored.newest.get(partition) != expected:
            yield Disagreement("watermark", (partition,), expected, stored.newest.get(partition))


def _rows(about: str, metric: PlainMetric, expected: Rows, found: Rows) -> Iterator[Disagreement]:
    is_view = about.startswith("view")
    for key in sorted(expected.keys() | found.keys(), key=str):
        if key not in expected or key not in found:
            yield Disagreement(about, key, expected.get(key), found.get(key))
            continue
        end, found_end = end_of(metric, key[0]), found[key].get("window_end")
        if found_end != end:
            yield Disagreement(about, key, end, found_end)
        for measure in metric["measures"]:
            name = measure["name"]
            if is_view and name not in found[key]:
                yield Disagreement(about, (*key, name), expected[key][name], None)
            elif not agrees(measure, expected[key][name], found[key][name], is_view=is_view):
                yield Disagreement(about, (*key, name), expected[key][name], found[key][name])


def agrees(measure: Mapping[str, Any], expected: Any, found: Any, *, is_view: bool = False) -> bool:
    """Whether a value that readers are told is the one that the judge found."""
    match measure["kind"]:
        case "sum":
            return _equal(expected / 1_000_000, found, is_view)
        case "average":
            total, count = expected
            return _equal(total / (count * 1_000_000) if count else None, found, is_view)
        case "minimum" | "maximum":
            return bool(expected == found and str(expected) == str(found))
        case "distinct":
            error = 0.0 if len(expected) <= DISTINCT_EXACT_UP_TO else DISTINCT_ERROR
            return bool(abs(found - len(expected)) <= error * len(expected))
        case "topk":
            return _is_top(measure, expected, found)
    return bool(expected == found)


def _equal(expected: float | None, found: float | None, is_view: bool) -> bool:
    if expected is None or found is None:
        return expected is found
    error = VIEW_ERROR * max(1.0, abs(expected)) if is_view else 0.0
    return abs(expected - found) <= error


def _is_top(measure: Mapping[str, Any], counts: Mapping[str, int], found: Any) -> bool:
    field, k = measure["item"], measure["k"]
    if len(counts) <= TOP_EXACT_UP_TO:
        order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:k]
        return bool(found == [{field: item, "count": count} for item, count in order])
    allowed = sum(counts.values()) // TOP_EXACT_UP_TO
    least = sorted(counts.values())[-k] - allowed
    return len(found) == k and all(
        least <= each["count"] and 0 <= counts.get(each[field], 0) - each["count"] <= allowed
        for each in found
    )
