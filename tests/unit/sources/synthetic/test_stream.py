from collections import Counter

import pytest

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.sources.synthetic.dials import Dials
from rtcdp.sources.synthetic.stream import MALFORMATIONS, REPEATABLE_MS, EventStream

LINES = EventStream(seed=1, run_ms=0).lines(range(200))


@pytest.mark.parametrize("malformation", MALFORMATIONS, ids=lambda kind: kind.name)
def test_a_broken_line_is_rejected_for_its_reason(malformation):
    verdicts = [decode(malformation.break_line(line)) for line in LINES]
    assert all(isinstance(verdict, Rejection) for verdict in verdicts)
    assert {verdict.reason for verdict in verdicts} == {malformation.reason}


@pytest.mark.parametrize("malformation", MALFORMATIONS, ids=lambda kind: kind.name)
def test_a_broken_line_is_still_one_line(malformation):
    broken = [malformation.break_line(line) for line in LINES]
    assert not any(b"\n" in line or not line.strip() for line in broken)


NOW_MS = 1_767_225_600_000
SPOILT = Dials(
    disorder_s=5, duplicates=0.1, late=0.05, malformed=0.02, hot_user=0.25, without_ids=0.1
)


def lines_of(count=5_000, *, dials=None, seed=7, run_ms=NOW_MS, step_ms=1):
    times = range(NOW_MS, NOW_MS + count * step_ms, step_ms)
    return EventStream(seed=seed, run_ms=run_ms, dials=dials).lines(times)


def events_of(lines):
    return [event for event in map(decode, lines) if not isinstance(event, Rejection)]


def test_the_same_seed_makes_the_same_bytes():
    assert lines_of(dials=SPOILT) == lines_of(dials=SPOILT)


def test_another_seed_makes_other_events():
    assert not set(lines_of()) & set(lines_of(seed=8))


@pytest.mark.parametrize("other", [{"seed": 8}, {"run_ms": 8}])
def test_another_seed_or_run_has_other_ids(other):
    first, second = (
        {event.event_id for event in events_of(lines_of(**which))} for which in ({}, other)
    )
    assert not first & second


def test_every_line_is_a_good_event_with_an_id_of_its_own():
    lines = lines_of()
    assert len({event.event_id for event in events_of(lines)}) == len(lines)


def test_event_times_are_those_that_were_given():
    assert [event.timestamp_ms for event in events_of(lines_of(100))] == [
        NOW_MS + offset for offset in range(100)
    ]


def test_shoppers_view_search_fill_carts_and_buy():
    events = events_of(lines_of())
    kinds = Counter(event.event_type for event in events)
    assert set(kinds) == {"PAGE_VIEW", "PRODUCT_VIEW", "SEARCH", "ADD_TO_CART", "PURCHASE"}
    assert kinds["PAGE_VIEW"] > kinds["ADD_TO_CART"] > kinds["PURCHASE"] > 0
    assert all(
        (event.value is not None) == (event.event_type in ("ADD_TO_CART", "PURCHASE"))
        for event in events
    )
    assert {event.user_id for event in events} == {f"user_{letter}" for letter in "ABCDE"}


def test_a_product_has_one_price():
    prices = {(event.product_id, event.value) for event in events_of(lines_of()) if event.value}
    assert len(prices) == len({product for product, _ in prices})


def test_a_session_is_of_one_user():
    sessions = {(event.session_id, event.user_id) for event in events_of(lines_of())}
    assert len(sessions) == len({session for session, _ in sessions})


@pytest.mark.parametrize("kind", ["duplicate", "late", "malformed"])
def test_each_kind_of_flaw_has_its_share(kind):
    dials = Dials(**{"duplicates" if kind == "duplicate" else kind: 0.1})
    stream = EventStream(seed=1, run_ms=0, dials=dials)
    stream.lines(range(5_000))
    assert abs(getattr(stream.counts, kind) - 500) <= 3


def test_the_counts_are_what_the_lines_say():
    stream = EventStream(seed=1, run_ms=0, dials=SPOILT)
    lines = stream.lines(range(NOW_MS, NOW_MS + 20_000))
    events = events_of(lines)
    ids = [event.event_id for event in events if event.event_id]
    late = [event for event in events if event.timestamp_ms < NOW_MS - 600_000]
    assert stream.counts.lines == len(lines)
    assert stream.counts.malformed == len(lines) - len(events)
    assert stream.counts.duplicate == len(ids) - len(set(ids))
    assert stream.counts.late == len(late)
    assert stream.counts.fresh == len(events) - len(late) - stream.counts.duplicate


def test_a_duplicate_is_the_same_bytes_and_not_too_old():
    lines = lines_of(3_000, dials=Dials(duplicates=0.2), step_ms=1_000)
    sent_at: dict[bytes, int] = {}
    for second, line in enumerate(lines):
        first = sent_at.setdefault(line, second)
        assert (second - first) * 1_000 <= REPEATABLE_MS
    assert len(lines) - len(sent_at) > 500


def test_disorder_sets_times_back_within_its_bound():
    events = events_of(lines_of(dials=Dials(disorder_s=5)))
    back_ms = [NOW_MS + sent - event.timestamp_ms for sent, event in enumerate(events)]
    assert min(back_ms) >= 0
    assert 4_500 < max(back_ms) <= 5_000


def test_the_hot_user_has_its_share_and_no_more():
    events = events_of(lines_of(10_000, dials=Dials(hot_user=0.6)))
    assert sum(event.user_id == "user_A" for event in events) == 6_000


def test_some_events_go_without_ids():
    events = events_of(lines_of(10_000, dials=Dials(without_ids=0.3)))
    assert sum(event.event_id is None for event in events) == 3_000
