from dataclasses import replace
from itertools import pairwise

import pytest

from rtcdp.answers import fold_rows
from rtcdp.answers.fold_rows import RowsQuestion, Span, rows_page, slices_of, told_by
from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import open_reading
from rtcdp.errors import BadRequest
from tests.stories import event
from tests.told import DAY, HOUR, MINUTE, START, Teller
from tests.unit.answers.conftest import NOW


def page_of(read, name="sessions", **asked):
    return rows_page(read, find_fold(read.folds, name), RowsQuestion(**asked))


def ids_of(page):
    return [item["id"] for item in page.items]


def every(read, name="sessions", **asked):
    """All pages one after another."""
    found, cursor = [], None
    while True:
        page = page_of(read, name, cursor=cursor, **asked)
        assert len(page.items) <= asked["limit"]
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def told_users(make_teller, count=60) -> Teller:
    teller = make_teller()
    events = [
        event(START + n % 7 * MINUTE, user=f"u{n:02d}", eventId=f"e{n}") for n in range(count)
    ]
    teller.tell(events, START + HOUR)
    return teller


def test_a_row_says_what_it_is_and_whether_it_may_change(told):
    page = page_of(told, limit=1)
    [newest] = page.items
    assert (newest["id"], newest["open"]) == (f"{START + DAY + HOUR}~ada", False)
    assert newest["session_start"] == "2026-01-02T01:00:00.000Z"
    assert (page.as_of, page.lag_ms, page.incomplete) == ("2026-01-02T02:00:00.000Z", 5000, False)
    assert page.next_cursor


@pytest.mark.parametrize("asked", [{}, {"equals": {"userId": ("u03", "u10", "u17", "none")}}])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_follow_each_other_newest_first(make_teller, asked, limit):
    read = told_users(make_teller).installation(NOW)
    found = every(read, limit=limit, **asked)
    assert len(found) == len({item["id"] for item in found}) == (3 if asked else 60)
    for one, other in pairwise(found):
        assert (one["session_start"], other["userId"]) > (other["session_start"], one["userId"])


def test_rows_are_chosen_by_when_they_begin(told):
    page = page_of(told, start_from=START + HOUR, start_to=START + DAY)
    assert [item["userId"] for item in page.items] == ["eve", "bob"]
    one = page_of(told, start_from=START + HOUR, equals={"userId": ("ada", "bob")})
    assert [item["userId"] for item in one.items] == ["ada", "bob"]
    assert [*map(len, (page_of(told, since=3 * HOUR).items, page_of(told).items))] == [3, 5]


def test_rows_are_open_until_the_watermark_is_past_them(make_teller):
    teller = made = make_teller()
    made.tell([event(START, user="old", eventId="1"), event(START + DAY, eventId="2")], START + DAY)
    read = teller.installation(NOW, allowed_lateness_ms=0)
    assert [item["userId"] for item in page_of(read, state="open").items] == ["ann"]
    assert [item["userId"] for item in page_of(read, state="final").items] == ["old"]
    for back, is_open in ((1, True), (0, False)):
        at = replace(read, allowed_lateness_ms=back - 30 * MINUTE)
        [first, *_] = page_of(at).items
        assert first["open"] is is_open
        assert (page_of(at, state="open").items == [first]) is is_open


def test_what_is_looked_at_for_a_state_is_bounded_and_all_is_found(make_teller, monkeypatch):
    teller = told_users(make_teller)
    teller.tell([event(START + DAY, user="new", eventId="n")], START + 3 * DAY)
    monkeypatch.setattr(fold_rows, "LOOKED_AT_MAX", 10)
    read = teller.installation(NOW)
    assert len(every(read, limit=7, state="final")) == 61
    assert every(read, limit=7, state="open") == []
    funnel = every(read, "shop_funnel", limit=7, state="open")
    assert len(funnel) == 61


def test_rows_that_miss_events_say_so_and_deleted_ones_are_left_out(told):
    told.store.limit_completeness("sessions", START + DAY)
    page = page_of(told)
    assert page.complete_from == "2026-01-02T00:00:00.000Z"
    assert [item.get("partial", False) for item in page.items] == [False, False, True, True, True]
    told.store.expire(buckets_before=START + HOUR, uncounted_before=0, offsets_before={})
    assert [item["userId"] for item in page_of(told).items] == ["ada", "a/b", "eve", "bob"]


def test_wrong_turns_are_told(told):
    with pytest.raises(BadRequest, match="cursor"):
        page_of(told, cursor="WzFd")
    with pytest.raises(BadRequest, match="comes after"):
        page_of(told, start_from=2, start_to=1)


def test_what_is_computed_of_rows_is_bounded(told, monkeypatch):
    with open_reading(told) as reading:
        sessions = told_by(told, reading, find_fold(told.folds, "sessions"))
        monkeypatch.setattr(fold_rows, "_SLICE_ROWS", 2)
        found = [rows.height for rows in slices_of(sessions, Span(), ["end"])]
        assert found == [2, 2, 1]
        monkeypatch.setattr(fold_rows, "ROWS_MAX", 4)
        with pytest.raises(BadRequest, match="more than 4 rows") as refused:
            list(slices_of(sessions, Span(), ["end"]))
    assert "since=" in refused.value.hint
