"""The oracle, checked by hand-made numbers: who else would."""

from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import (
    Average,
    Count,
    Distinct,
    Maximum,
    Metric,
    Minimum,
    Sum,
    TopK,
    Window,
    event_type,
    tumbling,
)
from rtcdp.log.contract import RawRecord
from rtcdp.verify.oracle import Oracle, smallest_members

RULES = AdmissionRules(max_clock_skew_ms=10, allowed_lateness_ms=1000, dedup_window_ms=500)
ALL = Metric(
    "all",
    "t",
    tumbling(seconds=1),
    (
        Count("n"),
        Sum("total"),
        Average("mean"),
        Minimum("low"),
        Maximum("high"),
        Distinct("users", "userId"),
        TopK("pages", "pageUrl"),
    ),
)


def record(
    offset: int, extra: str = "", *, received_at: int = 1000, intake: str = "live"
) -> RawRecord:
    raw = f'{{"userId":"u","timestamp":900,"eventType":"A"{extra}}}'.encode()
    return RawRecord(0, offset, received_at, "default", intake, raw)  # type: ignore[arg-type]


def test_every_measure() -> None:
    oracle = Oracle([ALL], RULES).feed(
        [record(0, ',"value":1.25,"pageUrl":"/"'), record(1, ',"value":-0.5'), record(2)]
    )
    assert oracle.rows["all"] == {(0,): [3, 0, 750_000, 0, 750_000, 2, -0.5, 1.25]}
    assert len(oracle.rows["all__users"]) == 1
    assert oracle.rows["all__pages"] == {(0, "/"): [1]}


def test_sliding_windows_hold_an_event_more_than_once() -> None:
    sliding = Metric("s", "t", Window(1000, 400), (Count("n"),))
    assert set(Oracle([sliding], RULES).feed([record(0)]).rows["s"]) == {(0,), (400,), (800,)}


def test_panes_hold_an_event_once() -> None:
    sliding = Metric("s", "t", Window(10_000, 400), (Count("n"),))
    assert set(Oracle([sliding], RULES).feed([record(0)]).rows["s__panes"]) == {(800,)}


def test_key_and_predicate() -> None:
    views = Metric("v", "t", tumbling(seconds=1), (Count("n"),), ("productId",), event_type("A"))
    oracle = Oracle([views], RULES).feed([record(0), record(1, ',"productId":"p"')])
    assert oracle.rows["v"] == {(0, "p"): [1]}


def test_every_verdict_is_in_the_ledger() -> None:
    oracle = Oracle([ALL], RULES).feed(
        [
            record(0, ',"eventId":"e"'),
            record(1, ',"eventId":"e"', received_at=1500),
            record(2, ',"eventId":"e","value":1', received_at=1600),
            record(3, ',"eventId":"e"', received_at=1900),
            record(4, received_at=1901),
            record(5, received_at=9999, intake="import"),
            record(6, received_at=800),
            record(7, ","),
        ]
    )
    assert oracle.ledger == {
        ("default", 0, "admitted"): 2,
        ("default", 0, "duplicate"): 3,
        ("default", 0, "late"): 1,
        ("default", 0, "dead_letter"): 2,
    }
    assert oracle.conflicts == 2


def test_an_id_counts_again_after_the_dedup_window() -> None:
    oracle = Oracle([ALL], RULES).feed(
        [
            record(0, ',"eventId":"e"', received_at=900),
            record(1, ',"eventId":"e"', received_at=1401),
        ]
    )
    assert oracle.ledger == {("default", 0, "admitted"): 2}


def test_of_a_group_only_the_smallest_members_are_kept() -> None:
    members = {(0, "a", 3): [], (0, "a", -1): [], (0, "a", 2): [], (0, "b", 9): []}
    assert smallest_members(members, 2) == {(0, "a", -1), (0, "a", 2), (0, "b", 9)}
