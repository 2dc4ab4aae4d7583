"""A made-up past: its lines, and that it looks like a shop's by the built-in folds."""

from collections import Counter
from dataclasses import replace

import polars as pl
import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.clock import ManualClock
from rtcdp.errors import UsageError
from rtcdp.events.codec import decode, is_clean
from rtcdp.folds.funnel_answers import Cohorts, cells, counted
from rtcdp.sources.synthetic.history import BATCH_LINES, BOT, MAX_DAYS, History, Past, write_history
from tests.stories import frame_of

DAY_MS = 86_400_000
UNTIL_MS = 1_767_225_600_000 + 9 * 3_600_000  # 2026-01-01T09:00:00.000Z
SMALL = Past(days=6, users=300, seed=4, until_ms=UNTIL_MS)
FOLDS = {fold.name: fold for fold in load_folds()}


def lines_of(past):
    return [line for told in History(past).tell() for line in told.lines]


def events_of(past):
    return [decode(line) for line in lines_of(past)]


@pytest.fixture(scope="module")
def events():
    return events_of(SMALL)


@pytest.fixture(scope="module")
def shop():
    """A month of 6,000 shoppers, as columns; and their sessions."""
    past = Past(days=30, users=6_000, seed=1, until_ms=UNTIL_MS)
    told = frame_of(
        [
            {
                "eventId": event.event_id,
                "userId": event.user_id,
                "sessionId": event.session_id,
                "eventType": event.event_type,
                "productId": event.product_id,
                "pageUrl": event.page_url,
                "value": None if event.value is None else float(event.value),
                "timestamp": event.timestamp_ms,
            }
            for event in events_of(past)
        ]
    )
    return told, FOLDS["sessions"].step.rows(told, "userId")


def test_every_line_is_a_good_event():
    assert is_clean(b"\n".join(lines_of(SMALL)))


def test_the_same_past_has_the_same_lines_and_another_seed_other_ones():
    assert lines_of(SMALL) == lines_of(SMALL)
    assert not set(lines_of(SMALL)) & set(lines_of(replace(SMALL, seed=5)))


def test_later_the_same_day_the_same_has_happened_and_more():
    before, later = lines_of(SMALL), lines_of(replace(SMALL, until_ms=UNTIL_MS + 8 * 3_600_000))
    assert later[: len(before)] == before
    assert len(later) > len(before)


def test_it_lies_in_its_days_in_order_of_time(events):
    times = [event.timestamp_ms for event in events]
    assert times == sorted(times)
    assert SMALL.from_ms == UNTIL_MS - 5 * DAY_MS - 9 * 3_600_000
    assert SMALL.from_ms <= times[0] < SMALL.from_ms + DAY_MS
    assert UNTIL_MS - 3_600_000 < times[-1] < UNTIL_MS


def test_each_event_has_an_id_of_its_own_and_each_visit_one_user(events):
    assert len({event.event_id for event in events}) == len(events)
    visits = {(event.session_id, event.user_id) for event in events}
    assert len(visits) == len({visit for visit, _ in visits})


def test_a_visit_goes_on_after_midnight():
    days = {}
    for event in events_of(replace(SMALL, users=3_000, days=3)):
        days.setdefault(event.session_id, set()).add(event.timestamp_ms // DAY_MS)
    assert any(len(each) == 2 for each in days.values())


def test_the_bot_views_very_much_and_never_buys(events):
    views = Counter(event.user_id for event in events)
    assert views[BOT] > 10 * max(count for user, count in views.items() if user != BOT)
    assert {event.event_type for event in events if event.user_id == BOT} == {"PAGE_VIEW"}


def test_carts_come_back_hours_or_days_later():
    """Purchases in visits that begin with the cart, of what an earlier visit put into it."""
    put, later_h = {}, []
    for event in events_of(Past(days=10, users=8_000, seed=1, until_ms=UNTIL_MS)):
        product = (event.user_id, event.product_id)
        if event.event_type == "ADD_TO_CART":
            put[product] = event
        if event.event_type == "PURCHASE" and put[product].session_id != event.session_id:
            later_h.append((event.timestamp_ms - put[product].timestamp_ms) / 3_600_000)
    assert min(later_h) >= 1
    assert sum(hours > 24 for hours in later_h) > 5
    assert sum(hours < 24 for hours in later_h) > 5


def test_sessions_look_like_sessions(shop):
    _, sessions = shop
    assert 0.35 < (sessions["page_view_count"] == 1).mean() < 0.55
    people = sessions.filter(pl.col("userId") != BOT)
    assert (people["client_count"] == 1).mean() > 0.999
    assert 3 < people["event_count"].mean() < 6
    assert 0.01 < people["converted"].mean() < 0.03


@pytest.mark.parametrize("unit", [None, "day"])
def test_the_funnel_looks_like_a_shop_s(shop, unit):
    fold, cohorts = FOLDS["shop_funnel"], Cohorts(unit)
    rows = counted(fold.step.rows(shop[0], "userId"), fold.step, "userId", cohorts)
    reached = cells(rows, fold.step, cohorts, None).group_by("step").agg(pl.col("reached").sum())
    viewed, put, bought = reached.sort("step")["reached"]
    assert 0.05 < put / viewed < 0.10
    assert 0.30 < bought / put < 0.45


def test_people_come_back_ever_more_seldom(shop):
    rows = FOLDS["daily_retention"].step.rows(shop[0], "userId")

    def share(day):
        whole = rows.filter(pl.col("cohort") < rows["cohort"].max() - day)
        return ((whole["returned"] // 2**day) % 2).mean()

    shares = [share(day) for day in (1, 3, 7, 20)]
    assert 0.15 < shares[0] < 0.30
    assert shares == sorted(shares, reverse=True)
    assert 0.02 < shares[-1] < 0.06


def test_one_shopper_is_a_shop():
    users = {event.user_id for event in events_of(replace(SMALL, users=1))}
    assert users == {"user_A", BOT}


@pytest.mark.parametrize(
    "wrong",
    [{"days": 0}, {"days": MAX_DAYS + 1}, {"until_ms": DAY_MS}, {"users": 0}, {"users": 10**7}],
)
def test_a_past_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError) as refused:
        replace(SMALL, **wrong)
    assert refused.value.hint


def test_a_whole_past_is_written_and_told(sink, pause):
    seen = []
    report = write_history(SMALL, sink, ManualClock(UNTIL_MS), pause, seen.append)
    assert sink.lines == lines_of(SMALL)
    assert (report.events, report.days, report.is_done) == (len(sink.lines), 6, True)
    assert report.receipt.accepted == len(sink.lines)
    assert [each.days for each in seen] == sorted(each.days for each in seen)
    assert max(map(len, sink.batches)) <= BATCH_LINES


def test_a_past_ends_early_when_told(sink, stop_after):
    report = write_history(SMALL, sink, ManualClock(UNTIL_MS), stop_after(3))
    assert 0 < len(sink.batches) < 6
    assert (report.events, report.is_done) == (len(sink.lines), False)
