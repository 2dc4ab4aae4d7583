import pytest

from rtcdp.answers.session_days import SessionDaysQuestion, session_days
from rtcdp.answers.sessions import SessionsQuestion, sessions_page
from rtcdp.errors import BadRequest
from tests.stories import event
from tests.told import DAY, HOUR, MINUTE, START
from tests.unit.answers.conftest import NOW


def days_of(read, **asked):
    return session_days(read, SessionDaysQuestion(**asked))


def test_a_session_belongs_to_the_day_of_its_start_in_the_asker_s_zone(told):
    in_utc = {each.day: each.session_count for each in days_of(told).items}
    assert in_utc == {"2026-01-02": 2, "2026-01-01": 3}
    in_berlin = days_of(told, tz="Europe/Berlin").items
    assert [(each.day, each.day_start, each.session_count) for each in in_berlin] == [
        ("2026-01-02", "2026-01-01T23:00:00.000Z", 3),
        ("2026-01-01", "2025-12-31T23:00:00.000Z", 2),
    ]


def test_what_a_day_says_is_what_its_sessions_say(told):
    for day in days_of(told).items:
        start = START if day.day == "2026-01-01" else START + DAY
        listed = sessions_page(told, SessionsQuestion(start_from=start, start_to=start + DAY)).items
        count = len(listed)
        assert day.session_count == count
        assert day.bounce_rate == sum(each["bounce"] for each in listed) / count
        assert day.engaged_rate == sum(each["engaged"] for each in listed) / count
        assert day.conversion == sum(each["converted"] for each in listed) / count
        assert day.mean_duration_ms == sum(each["duration_ms"] for each in listed) / count
        assert day.open_count == sum(each["open"] for each in listed)
        assert day.value == sum(each["value"] for each in listed)
    total = days_of(told).total
    assert (total.session_count, total.bounce_count, total.engaged_count) == (5, 2, 4)
    assert (total.median_duration_ms, total.page_view_count) == (60_000, 8)


def test_a_conversion_without_a_second_view_is_a_bounce_and_engaged(make_teller):
    teller = make_teller()
    teller.tell([event(START), event(START + 1, "PURCHASE", eventId="p")], START)
    total = days_of(teller.installation(NOW)).total
    assert (total.bounce_count, total.engaged_count, total.converted_count) == (1, 1, 1)


def test_days_are_paged_and_may_last_23_hours(make_teller):
    spring = 1_774_738_800_000  # 2026-03-29T00:00 in Berlin
    teller = make_teller()
    events = [
        event(spring - MINUTE, eventId="1"),
        event(spring + 22 * HOUR, eventId="2"),
        event(spring + 23 * HOUR, eventId="3"),
    ]
    teller.tell(events, spring)
    read = teller.installation(NOW)
    first = days_of(read, tz="Europe/Berlin", limit=2)
    rest = days_of(read, tz="Europe/Berlin", limit=2, cursor=first.next_cursor)
    days = [each.day for each in (*first.items, *rest.items)]
    assert days == ["2026-03-30", "2026-03-29", "2026-03-28"]
    assert rest.next_cursor is None
    assert first.total == rest.total


def test_nothing_has_no_total(make_teller):
    page = days_of(make_teller().installation(NOW))
    assert (page.items, page.total) == ([], None)


def test_an_unknown_zone_is_told(told):
    with pytest.raises(BadRequest, match="Berlin") as refused:
        days_of(told, tz="Berlin")
    assert "Europe/Berlin" in refused.value.hint
