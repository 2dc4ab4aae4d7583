"""Windows of a metric, page by page."""

from collections.abc import Callable

import polars as pl
import pytest

from rtcdp.api import answers
from rtcdp.api.answers import WindowPage, WindowQuery, windows
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.vocabulary.measure import Count, Sum, TopK
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.predicate import event_type
from rtcdp.vocabulary.table import Table
from rtcdp.vocabulary.window import sliding, tumbling

VIEWS = (Count("page_view_count"),)
PAGE_VIEWS = Metric(
    "views",
    "V",
    sliding(size_seconds=60, every_seconds=30),
    VIEWS,
    ("userId",),
    event_type("PAGE_VIEW"),
)
REVENUE = Metric("revenue", "R", tumbling(minutes=1), (Sum("revenue"),), (), event_type("PURCHASE"))

MINUTE = 60_000


@pytest.fixture
def driver(make_driver: Callable[..., Driver]) -> Driver:
    return make_driver(PAGE_VIEWS, REVENUE)


def feed_views(driver: Driver, *views: tuple[str, int]) -> None:
    """Page views of users, so many seconds after the start."""
    driver.advance(seconds=600)
    driver.feed(
        *(
            {"userId": user, "eventType": "PAGE_VIEW", "timestamp": START_MS + 1000 * second}
            for user, second in views
        )
    )
    driver.process()


def read(driver: Driver, metric: Metric, query: WindowQuery) -> WindowPage:
    with driver.store.snapshot() as snapshot:
        return windows(snapshot, metric, query)


def shown(page: WindowPage) -> list[tuple[object, object, object]]:
    return [(i["window_start"], i["userId"], i["page_view_count"]) for i in page.items]


def test_an_item_has_its_key_its_window_and_its_measures(driver: Driver) -> None:
    feed_views(driver, ("ada", 0))
    page = read(driver, PAGE_VIEWS, WindowQuery(start_from=START_MS))
    assert page.items == [
        {
            "userId": "ada",
            "window_start": "2026-01-01T00:00:00.000Z",
            "window_end": "2026-01-01T00:01:00.000Z",
            "page_view_count": 1,
        }
    ]


def test_the_newest_window_comes_first_then_keys_ascend(driver: Driver) -> None:
    feed_views(driver, ("b", 0), ("a", 0), ("a", 60))
    page = read(driver, PAGE_VIEWS, WindowQuery())
    assert [(start[14:19], user) for start, user, _ in shown(page)] == [
        ("01:00", "a"),
        ("00:30", "a"),
        ("00:00", "a"),
        ("00:00", "b"),
        ("59:30", "a"),
        ("59:30", "b"),
    ]


def test_pages_joined_together_are_the_whole(driver: Driver) -> None:
    feed_views(driver, *((user, second) for user in "abc" for second in (0, 30, 95)))
    whole, pages, after = read(driver, PAGE_VIEWS, WindowQuery()), [], None
    while True:
        page = read(driver, PAGE_VIEWS, WindowQuery(limit=4, after=after))
        pages += page.items
        after = page.after
        if after is None:
            break
        assert len(page.items) == 4
    assert pages == whole.items


def test_a_last_page_that_is_full_ends_the_list(driver: Driver) -> None:
    feed_views(driver, ("a", 0))
    assert read(driver, PAGE_VIEWS, WindowQuery(limit=2)).after is None


def test_a_key_and_a_range_of_starts_narrow_the_windows(driver: Driver) -> None:
    feed_views(driver, ("a", 0), ("b", 0), ("a", 60))
    query = WindowQuery({"userId": "a"}, start_from=START_MS, start_to=START_MS + MINUTE)
    assert [(start[14:19], user) for start, user, _ in shown(read(driver, PAGE_VIEWS, query))] == [
        ("00:30", "a"),
        ("00:00", "a"),
    ]


def test_a_metric_without_a_key_has_one_row_a_window(driver: Driver) -> None:
    buy = {"userId": "a", "eventType": "PURCHASE", "timestamp": START_MS}
    driver.feed({**buy, "value": 0.1}, {**buy, "value": 0.2})
    driver.process()
    assert [item["revenue"] for item in read(driver, REVENUE, WindowQuery()).items] == [0.3]


def test_a_store_without_events_has_no_windows(driver: Driver) -> None:
    assert read(driver, PAGE_VIEWS, WindowQuery()) == WindowPage([], None)


def test_a_page_that_reads_many_items_is_shorter_and_goes_on(
    make_driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = Metric("pages", "P", tumbling(seconds=1), (Count("n"), TopK("top", "pageUrl", k=2)))
    driver = make_driver(metric)
    views = [(second, f"/{page}") for second in range(20) for page in range(10)]
    driver.feed(
        *(
            {"userId": "u", "eventType": "A", "timestamp": START_MS + 1000 * s, "pageUrl": p}
            for s, p in views
        )
    )
    whole = driver.windows("pages")
    monkeypatch.setattr(answers, "MAX_SIDE_ROWS", 50)
    pages = []
    after = None
    with driver.store.snapshot() as snapshot:
        while True:
            page = windows(snapshot, metric, WindowQuery(limit=15, after=after))
            pages.append(page.items)
            after = page.after
            if after is None:
                break
    assert [item for page in pages for item in page] == whole
    assert max(map(len, pages)) < 15


def test_items_are_let_go_before_the_next_ones_are_read(
    make_driver: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = Metric("pages", "P", tumbling(seconds=1), (TopK("top", "pageUrl", k=1),))
    driver = make_driver(metric)
    driver.feed(
        *(
            {"userId": "u", "eventType": "A", "timestamp": START_MS + 1000 * s, "pageUrl": f"/{p}"}
            for s in range(40)
            for p in range(5)
        )
    )
    driver.process()
    monkeypatch.setattr(answers, "_SIDE_ROWS_AT_ONCE", 25)
    with driver.store.snapshot() as snapshot:
        sizes = []
        members = snapshot.members

        def counted(table: Table, groups: pl.DataFrame) -> pl.DataFrame:
            rows = members(table, groups)
            sizes.append(rows.height)
            return rows

        monkeypatch.setattr(snapshot, "members", counted)
        assert len(windows(snapshot, metric, WindowQuery(limit=40)).items) == 40
    assert max(sizes) <= 25
