"""Metrics, asked without HTTP; tests/unit/api/test_metric_windows.py asks over HTTP."""

from collections.abc import Callable

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.answers.metrics import (
    PageViewsQuestion,
    RecentPageViewsQuestion,
    WindowsQuestion,
    catalog_page,
    find_metric,
    page_views,
    windows_page,
)
from rtcdp.errors import BadRequest, NotThere
from rtcdp.testing.driver import Driver

MakeInstallation = Callable[..., Installation]
VIEWS = "user_page_view_counts"


@pytest.fixture
def installation(driver: Driver, make_installation: MakeInstallation) -> Installation:
    """A page view of each of three users, two minutes apart."""
    for user in ("ada", "bob", "cy"):
        driver.feed({"userId": user, "eventType": "PAGE_VIEW", "timestamp": driver.now_ms})
        driver.process()
        driver.advance(seconds=120)
    return make_installation()


def test_pages_of_one_window_are_all_windows(installation: Installation) -> None:
    metric = find_metric(installation.metrics, VIEWS)
    whole = windows_page(installation, metric, WindowsQuestion())
    found, cursor = [], None
    while not found or cursor is not None:
        page = windows_page(installation, metric, WindowsQuestion(limit=1, cursor=cursor))
        found += page.items
        cursor = page.next_cursor
    assert found == whole.items
    assert len(found) == 6


def test_one_window_is_asked_for_at_a_time_and_no_range_with_it(
    installation: Installation,
) -> None:
    metric = find_metric(installation.metrics, VIEWS)
    at = installation.clock.now_ms() - 60_000
    (item,) = windows_page(installation, metric, WindowsQuestion(at=at)).items
    assert (item["userId"], item["window_end"]) == ("cy", "2026-01-01T00:05:00.000Z")
    for range_ in ({"start_from": 0}, {"start_to": 0}, {"since": 1}, {"state": "open"}):
        with pytest.raises(BadRequest, match="at names one window"):
            windows_page(installation, metric, WindowsQuestion(at="now", **range_))


def test_page_views_are_of_one_user_or_recent(installation: Installation) -> None:
    of_bob = page_views(installation, PageViewsQuestion(), "bob")
    assert [item.page_view_count for item in of_bob.items] == [1, 1]
    recent = page_views(installation, RecentPageViewsQuestion(minutes=3))
    assert {item.userId for item in recent.items} == {"cy"}


def test_the_catalog_is_what_can_be_asked_for(installation: Installation) -> None:
    described = catalog_page(installation).items
    assert [metric.name for metric in described] == [VIEWS, "revenue"]
    with pytest.raises(NotThere, match="no metric 'orders'") as refused:
        find_metric(installation.metrics, "orders")
    assert VIEWS in refused.value.hint


def test_without_the_namesake_there_are_no_page_views(make_installation: MakeInstallation) -> None:
    with pytest.raises(NotThere, match=VIEWS):
        page_views(make_installation(metrics=()), PageViewsQuestion())
