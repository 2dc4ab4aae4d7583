from collections import Counter

import pytest

from rtcdp.store import EpochSpan
from rtcdp.verify.agreement import Horizon, agrees, disagreements
from rtcdp.verify.judge import Judge, PlainRecord, Rules, Verdict
from rtcdp.verify.stored import Stored

RAW = b'{"userId":"u","eventType":"A","timestamp":1000}'
METRIC = {
    "name": "m",
    "size_ms": 1_000,
    "slide_ms": 1_000,
    "key": (),
    "predicate": {"is": "all", "of": []},
    "measures": [{"name": "events", "kind": "count"}],
}


@pytest.fixture
def judge() -> Judge:
    return Judge([METRIC], [Rules(0, 0, 0)]).feed([PlainRecord(0, 0, 1_000, "shop", "live", RAW)])


def stored(**changed: object) -> Stored:
    row = {(1_000,): {"events": 1, "window_end": 2_000}}
    right = {
        "next_offsets": {0: 1},
        "decided_from": {},
        "newest": {0: 1_000},
        "rules": [],
        "verdicts": {},
        "ledger": {("shop", 0): {"received": 1, "admitted": 1}},
        "spans": [EpochSpan(0, 0, 1, 1_000, 1_000)],
        "answers": {"m": row},
        "views": {"m": row},
    }
    return Stored(**(right | changed))  # type: ignore[arg-type]


def test_what_is_right_is_agreed_on(judge: Judge) -> None:
    assert list(disagreements(judge, stored(), [METRIC])) == []


@pytest.mark.parametrize(
    ("changed", "about"),
    [
        ({"verdicts": {(0, 0): Verdict("late", "late")}}, "verdict"),
        ({"ledger": {("shop", 0): {"received": 1, "late": 1}}}, "ledger"),
        ({"ledger": {}}, "ledger"),
        ({"spans": [EpochSpan(0, 0, 1, 1_001, 2_000)]}, "span"),
        ({"spans": [EpochSpan(0, 1, 2, 0, 2_000)]}, "span"),
        ({"newest": {0: 999}}, "watermark"),
        ({"answers": {"m": {}}}, "answer m"),
        ({"answers": {"m": {(1_000,): {"events": 2, "window_end": 2_000}}}}, "answer m"),
        ({"views": {"m": {(1_000,): {"events": 1, "window_end": 2_001}}}}, "view m"),
        ({"views": {"m": {(1_000,): {"window_end": 2_000}}}}, "view m"),
    ],
)
def test_every_difference_is_found(judge: Judge, changed: dict[str, object], about: str) -> None:
    found = list(disagreements(judge, stored(**changed), [METRIC]))
    assert [each.about for each in found] == [about]


def test_what_lies_before_the_horizon_is_left_out(judge: Judge) -> None:
    horizon = Horizon(windows_from=1_001, minutes_from=60_000, offsets_from={0: 1})
    wrong = stored(answers={"m": {}}, ledger={}, spans=[], verdicts={(0, 0): Verdict("late")})
    assert [each.about for each in disagreements(judge, wrong, [METRIC], horizon)] == []


def test_sums_are_exact_for_answers_and_nearly_for_views() -> None:
    measure = {"kind": "sum"}
    assert agrees(measure, 300_000, 0.3)
    assert not agrees(measure, 300_000, 0.1 + 0.2)
    assert agrees(measure, 300_000, 0.1 + 0.2, is_view=True)
    assert agrees({"kind": "average"}, (0, 0), None)


def test_the_sign_of_zero_is_a_difference() -> None:
    assert not agrees({"kind": "minimum"}, 0.0, -0.0)


def test_distinct_counts_are_exact_up_to_their_bound() -> None:
    assert not agrees({"kind": "distinct"}, set(range(8_192)), 8_193)
    assert agrees({"kind": "distinct"}, set(range(8_193)), 8_300)
    assert not agrees({"kind": "distinct"}, set(range(8_193)), 9_300)


def test_a_top_list_has_its_order_and_beyond_its_bound_an_error() -> None:
    measure = {"kind": "topk", "field": "page", "item": "page", "k": 2}
    counts = Counter(a=2, b=3, c=3)
    right = [{"page": "b", "count": 3}, {"page": "c", "count": 3}]
    assert agrees(measure, counts, right)
    assert not agrees(measure, counts, right[::-1])
    many = Counter({f"i{n}": 1 for n in range(20_000)}) + Counter(a=9, b=8)
    assert agrees(measure, many, [{"page": "a", "count": 7}, {"page": "b", "count": 8}])
    assert not agrees(measure, many, [{"page": "a", "count": 6}, {"page": "b", "count": 8}])
