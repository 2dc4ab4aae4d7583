"""Answers that keep what they have read of whole days."""

from dataclasses import replace

import polars as pl
import pytest

from rtcdp.answers.fold_rows import open_told
from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import Installation
from rtcdp.answers.kept_days import KeptDays, whole_days
from rtcdp.answers.kept_rows import rows_kept
from rtcdp.answers.query import QueryQuestion, query_page
from rtcdp.definitions import Fold
from rtcdp.events.calendar import DAY_MS
from rtcdp.testing.driver import START_MS, Driver
from tests.unit.answers.days import END, HOUR_MS, CountedDays, event


def told(installation: Installation) -> list[object]:
    """Much of what is put together of days: numbers, different users, top lists, categories,
    sessions."""
    asked = {
        "events_by_type": ("hour", "UTC", ("eventType",)),
        "active_users": ("day", "Europe/Berlin", ()),
        "daily_active_users": ("day", "UTC", ()),
        "top_pages": ("none", "UTC", ()),
        "revenue_by_category": ("day", "Asia/Kolkata", ("category",)),
    }
    found: list[object] = []
    for name, (interval, zone, by) in asked.items():
        question = QueryQuestion(
            metrics=(name,),
            interval=interval,  # type: ignore[arg-type]
            tz=zone,
            group_by=by,
            start_from=START_MS - HOUR_MS * 30,
            start_to=END + HOUR_MS,
        )
        found.append(query_page(installation, question).items)
    fold = find_fold(installation.folds, "sessions")
    with open_told(installation, fold) as state:
        span = (START_MS + HOUR_MS, END + DAY_MS)
        rows = rows_kept(installation.days, state, span, ("end", "event_count"), as_they_are)
    return [*found, rows.sort(rows.columns).rows()]


def as_they_are(fold: Fold, rows: pl.DataFrame) -> pl.DataFrame:
    del fold
    return rows


def test_a_day_that_is_the_same_is_not_read_again(shop: tuple[Driver, Installation]) -> None:
    driver, installation = shop
    days = installation.days
    assert isinstance(days, CountedDays)
    first = told(installation)
    reads = days.reads
    assert reads > 0
    assert told(installation) == first
    assert days.reads == reads
    driver.feed(event("u1", START_MS + 2 * DAY_MS + 90_000), intake="import")
    driver.process()
    told(installation)
    # The one day of each, and not the others.
    assert 0 < days.reads - reads <= 12


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(event("new", START_MS + DAY_MS), id="a user more on an old day"),
        pytest.param(event("u1", START_MS + DAY_MS - 1), id="at the end of a day"),
        # Less than half an hour from the sessions on both sides of midnight.
        pytest.param(
            event("u1", START_MS + DAY_MS + 45 * 60_000), id="a session that begins before"
        ),
        pytest.param(
            event("u1", START_MS + DAY_MS, "PURCHASE", productId="mug", value=0),
            id="a purchase of nothing",
        ),
    ],
)
def test_what_comes_late_is_in_the_next_answer(
    shop: tuple[Driver, Installation], late: dict[str, object]
) -> None:
    driver, installation = shop
    before = told(installation)
    driver.feed(late, intake="import")
    driver.process()
    fresh = told(replace(installation, days=KeptDays()))
    assert told(installation) == fresh != before


def test_so_many_rows_are_kept_and_no_more() -> None:
    days = KeptDays(rows_max=10)
    assert [days.get(name, 1, lambda n=name: (n, 4)) for name in "abc"] == ["a", "b", "c"]
    assert days.get("c", 1, lambda: ("read again", 4)) == "c"
    assert days.get("a", 1, lambda: ("read again", 4)) == "read again"
    assert days.get("a", 2, lambda: ("of another mark", 4)) == "of another mark"


def test_days_that_are_cut_are_not_whole() -> None:
    assert list(whole_days(0, 2 * DAY_MS)) == [0, 1]
    assert list(whole_days(1, 2 * DAY_MS)) == [1]
    assert not whole_days(1, DAY_MS + 1)
