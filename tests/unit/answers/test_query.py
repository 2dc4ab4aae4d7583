"""Queries: which time is asked for, what can't be put together, and what rows say of themselves.

The numbers are held against plain Python in `tests/properties/test_query.py`.
"""

from collections.abc import Callable

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.answers.query import QueryQuestion, query_page
from rtcdp.clock import ManualClock
from rtcdp.definitions import Calendar, Count, Metric, Sum, TopK, sliding, tumbling
from rtcdp.errors import BadRequest
from rtcdp.testing.driver import START_MS, Driver

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
VIEWS = Metric("views", "Views", tumbling(minutes=1), (Count("n"), Sum("total")), ("userId",))
HOURLY = Metric("hourly", "H", tumbling(hours=1), (Count("n"), TopK("pages", "pageUrl")))
BERLIN = Metric("berlin", "B", Calendar("day", "Europe/Berlin"), (Count("n"),))
GAPS = Metric("gaps", "G", sliding(size_seconds=50, every_seconds=30), (Count("n"),))
METRICS = (VIEWS, HOURLY, BERLIN, GAPS)

MakeDriver = Callable[..., Driver]


@pytest.fixture
def told(make_driver: MakeDriver) -> Installation:
    """Ada at noon, Bob an hour later; it is half past one, of the first of January."""
    driver = make_driver(*METRICS)
    driver.advance(seconds=13.5 * 3600)
    for hour, user in [(12, "ada"), (13, "bob")]:
        view = {"userId": user, "eventType": "PAGE_VIEW", "timestamp": START_MS + hour * HOUR}
        driver.feed(view, intake="import")
    driver.process()
    return Installation(driver.store, METRICS, ManualClock(driver.now_ms), allowed_lateness_ms=HOUR)


def ask(told: Installation, *metrics: str, **more: object):  # type: ignore[no-untyped-def]
    return query_page(told, QueryQuestion(metrics=metrics, **more))  # type: ignore[arg-type]


def spans(page) -> list[str]:  # type: ignore[no-untyped-def]
    return [f"{item['window_start'][8:16]}–{item['window_end'][8:16]}" for item in page.items]


def test_without_a_time_it_is_the_last_week_from_the_beginning_of_a_day_on(
    told: Installation,
) -> None:
    page = ask(told, "views.n", interval="day")
    assert (page.start_from, page.start_to) == (
        "2025-12-25T00:00:00.000Z",
        "2026-01-02T00:00:00.000Z",
    )
    assert [(item["window_start"][:10], item["views.n"]) for item in page.items] == [
        ("2026-01-01", 2)
    ]


def test_a_range_is_widened_to_whole_windows_of_all_metrics(told: Installation) -> None:
    page = ask(
        told,
        "views.n",
        "hourly.n",
        start_from=START_MS + 12 * HOUR + 5,
        start_to=START_MS + 12 * HOUR + 6,
    )
    assert spans(page) == ["01T12:00–01T13:00"]
    assert page.items[0]["views.n"] == page.items[0]["hourly.n"] == 1


def test_a_date_alone_begins_at_midnight_of_the_time_zone(told: Installation) -> None:
    page = ask(told, "views.n", tz="Europe/Berlin", start_from="2026-01-01", start_to="2026-01-02")
    assert spans(page) == ["31T23:00–01T23:00"]


def test_zeros_stand_where_nothing_happened_up_to_now(told: Installation) -> None:
    page = ask(told, "views", interval="hour", fill="zero", start_from=START_MS + 11 * HOUR)
    assert spans(page) == ["01T11:00–01T12:00", "01T12:00–01T13:00", "01T13:00–01T14:00"]
    assert [item["views.n"] for item in page.items] == [0, 1, 1]
    assert page.items[0]["views.total"] == 0.0
    later = ask(told, "views", interval="hour", fill="zero", start_to=START_MS + 20 * HOUR)
    assert spans(later)[-1] == "01T13:00–01T14:00"


def test_rows_say_whether_they_can_still_change(told: Installation) -> None:
    page = ask(told, "views.n", interval="hour")
    assert [item["final"] for item in page.items] == [False, False]
    early = ask(told, "views.n", interval="hour", fill="zero", start_from=START_MS + 9 * HOUR)
    assert [item["final"] for item in early.items] == [True, True, True, False, False]


def test_groups_beyond_the_limit_are_one_row_without_a_key(told: Installation) -> None:
    page = ask(told, "views.n", group_by=("userId",), limit=1, order_by="userId")
    assert [(item["userId"], item.get("other", False)) for item in page.items] == [
        ("ada", False),
        (None, True),
    ]
    assert (page.group_count, page.other_count) == (2, 1)


def test_what_was_deleted_is_neither_zero_nor_whole(told: Installation) -> None:
    told.store.limit_completeness("views", START_MS + 12 * HOUR)
    page = ask(told, "views.n", interval="day", fill="zero")
    assert page.complete_from == "2026-01-01T12:00:00.000Z"
    assert [item["partial"] for item in page.items] == [True]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"metrics": ("hourly.n",), "interval": "day", "tz": "Asia/Kolkata"}, "no day of Asia"),
        ({"metrics": ("hourly.n",), "interval": "minute", "since": HOUR}, "no minute of UTC"),
        ({"metrics": ("berlin.n",), "interval": "day"}, "no day of UTC"),
        ({"metrics": ("gaps.n",)}, "don't fit side by side"),
        ({"metrics": ("hourly.n",), "group_by": ("userId",)}, "hourly is not counted by userId"),
        ({"metrics": ("views.n",), "equals": {"country": ("DE",)}}, "not counted by country"),
        ({"metrics": ("views.n",), "order_by": "-views.m"}, "nothing can be ordered by 'views.m'"),
        ({"metrics": ("hourly.pages",), "order_by": "hourly.pages"}, "nothing can be ordered"),
        ({"metrics": ("views.n",), "start_from": 5, "since": 5}, "from and since"),
        ({"metrics": ("views.n",), "start_from": 5, "start_to": 5}, "no time from"),
        ({"metrics": ("views.n",), "tz": "Mars"}, "no time zone"),
        ({"metrics": ("views.n",), "start_from": "2026-02-30"}, "is not a time"),
    ],
)
def test_what_can_not_be_answered_is_refused(
    told: Installation, asked: dict[str, object], says: str
) -> None:
    with pytest.raises(BadRequest, match=says) as refused:
        query_page(told, QueryQuestion(**asked))  # type: ignore[arg-type]
    assert refused.value.hint


def test_whoever_asks_for_another_key_is_told_who_has_it(told: Installation) -> None:
    with pytest.raises(BadRequest) as refused:
        ask(told, "hourly.n", group_by=("userId",))
    assert "ask for views" in refused.value.hint


def test_a_week_and_a_month_of_its_own_zone_hold_days_of_a_calendar(told: Installation) -> None:
    for interval in ("day", "week", "month"):
        page = ask(told, "berlin.n", interval=interval, tz="Europe/Berlin")
        assert [item["berlin.n"] for item in page.items] == [2]
