import json
from collections import Counter

import pytest

from rtcdp.definitions import Sum
from rtcdp.verify.interleaving import in_decision_order
from rtcdp.verify.judge import (
    Judge,
    PlainRecord,
    Rules,
    Verdict,
    holds,
    value_of,
)

RULES = Rules(max_clock_skew_ms=10, allowed_lateness_ms=100, dedup_window_ms=1_000)
ADMITTED = Verdict("admitted")
DUPLICATE = Verdict("duplicate", "duplicate")
CONFLICT = Verdict("duplicate", "conflict")
HOURLY = {
    "name": "hourly",
    "size_ms": 100,
    "slide_ms": 50,
    "key": ("userId",),
    "predicate": {"is": "all", "of": []},
    "measures": [{"name": "events", "kind": "count"}],
}


def record(offset: int, received_at: int, *, partition: int = 0, **fields: object) -> PlainRecord:
    event = {"userId": "u", "eventType": "A", "timestamp": received_at} | fields
    return PlainRecord(partition, offset, received_at, "shop", "live", json.dumps(event).encode())


def verdicts_of(*records: PlainRecord, rules: Rules = RULES) -> list[Verdict]:
    return list(Judge([], [rules]).feed(records).verdicts.values())


@pytest.mark.parametrize(
    ("timestamp", "verdict"),
    [
        (1_010, ADMITTED),
        (1_011, Verdict("dead_letter", "future")),
        (900, ADMITTED),
        (899, Verdict("late", "late")),
    ],
)
def test_clock_and_lateness_hold_to_the_millisecond(timestamp: int, verdict: Verdict) -> None:
    assert verdicts_of(record(0, 1_000, timestamp=timestamp)) == [verdict]


def test_history_is_never_late() -> None:
    assert verdicts_of(record(0, 10**9, timestamp=0)._replace(intake="import")) == [ADMITTED]


def test_a_repeat_is_measured_from_any_before_in_both_directions() -> None:
    times = (5_000, 6_000, 7_001, 6_001, 3_999)
    records = [record(i, at, eventId="e", timestamp=5_000) for i, at in enumerate(times)]
    wide = RULES._replace(allowed_lateness_ms=10**6, max_clock_skew_ms=10**6)
    assert verdicts_of(*records, rules=wide) == [ADMITTED, DUPLICATE, ADMITTED, DUPLICATE, ADMITTED]


def test_another_content_is_a_conflict_and_another_source_another_id() -> None:
    first = record(0, 1_000, eventId="e")
    other = record(1, 1_000, eventId="e", userId="v")
    elsewhere = first._replace(offset=2, source="app")
    assert verdicts_of(first, other, elsewhere) == [ADMITTED, CONFLICT, ADMITTED]


def test_the_id_of_a_replayed_record_is_no_client_s() -> None:
    replayed = record(0, 1_000)._replace(replay_of="0:7")
    named = record(1, 1_000, eventId="0:7")
    again = replayed._replace(offset=2)
    assert verdicts_of(replayed, named, again) == [ADMITTED, ADMITTED, DUPLICATE]


def test_rules_change_at_an_offset() -> None:
    later = Rules(10, 10_000, 1_000, {0: 1})
    records = [record(0, 1_000, timestamp=0), record(1, 1_000, timestamp=0)]
    judge = Judge([], [RULES, later]).feed(records)
    assert list(judge.verdicts.values()) == [Verdict("late", "late"), ADMITTED]


def test_a_failure_of_the_engine_is_taken_as_given_and_listed() -> None:
    failed = Verdict("dead_letter", "processor_error")
    judge = Judge([HOURLY], [RULES], {(0, 0): failed})
    judge.feed([record(0, 1_000, eventId="e"), record(1, 1_001, eventId="e")])
    assert list(judge.verdicts.values()) == [failed, ADMITTED]
    assert judge.set_aside == [(0, 0)]


def test_the_ledger_adds_up_by_source_and_minute() -> None:
    records = [record(0, 59_999), record(1, 60_000), record(2, 60_000, userId=5)]
    ledger = Judge([], [RULES]).feed(records).ledger
    assert dict(ledger) == {
        ("shop", 0): Counter(received=1, admitted=1),
        ("shop", 60_000): Counter(received=2, admitted=1, dead_letter=1),
    }


def test_an_event_counts_in_each_of_its_windows() -> None:
    records = [record(0, -1), record(1, 0), record(2, 149, userId="v")]
    rows = Judge([HOURLY], [RULES]).feed(records).rows(HOURLY)
    assert {key: row["events"] for key, row in rows.items()} == {
        (-50, "u"): 2,
        (-100, "u"): 1,
        (0, "u"): 1,
        (100, "v"): 1,
        (50, "v"): 1,
    }


def test_partitions_are_merged_by_the_earliest_time_to_come() -> None:
    one = [record(0, 500), record(1, 100)]
    other = [record(0, 200, partition=1)]
    order = [(r.partition, r.offset) for r in in_decision_order([one, other])]
    assert order == [(0, 0), (0, 1), (1, 0)]


def test_measures() -> None:
    events = [{"value": 0.1}, {"value": 0.2}, {"value": None}, {"value": -0.5}]
    found = {
        kind: value_of({"kind": kind, "field": "value"}, events)
        for kind in ("count", "sum", "average", "minimum", "maximum", "distinct", "topk")
    }
    assert found == {
        "count": 4,
        "sum": -200_000,
        "average": (-200_000, 3),
        "minimum": -0.5,
        "maximum": 0.2,
        "distinct": {0.1, 0.2, -0.5},
        "topk": Counter({0.1: 1, 0.2: 1, -0.5: 1}),
    }


def test_a_comparison_with_nothing_is_false_and_its_negation_true() -> None:
    above = {"is": "compare", "field": "value", "comparison": ">", "limit": 1}
    assert not holds(above, {"value": None})
    assert holds({"is": "not", "of": above}, {"value": None})
    assert holds({"is": "any", "of": [above, {"is": "present", "field": "value"}]}, {"value": 0.0})
    assert holds({"is": "one_of", "field": "page", "texts": ["a"]}, {"page": "a"})


def test_a_verdict_is_said_in_words() -> None:
    assert str(Verdict("dead_letter", "out_of_range")) == "dead_letter: out_of_range"
    assert str(Verdict("admitted")) == "admitted"


@pytest.mark.parametrize("value", [0.0000005, 3.5757325, 62.5886505, -1.0000005, 8.589934591e9])
def test_more_than_six_digits_are_rounded_as_the_measure_rounds_them(value: float) -> None:
    units, micros = Sum("total").of_event({"value": value})
    measure = {"kind": "sum", "field": "value"}
    assert value_of(measure, [{"value": value}]) == units * 1_000_000 + micros
