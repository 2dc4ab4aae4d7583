"""Windows of a metric, page by page."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import polars as pl
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers import windows as windows_module
from rtcdp.answers.windows import WindowPage, WindowQuery, windows
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Metric, Sum, Table, TopK, event_type, sliding, tumbling
from rtcdp.engines.native.processor import Processor
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import START_MS, Driver

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
    monkeypatch.setattr(windows_module, "MAX_SIDE_ROWS", 50)
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
    monkeypatch.setattr(windows_module, "_SIDE_ROWS_AT_ONCE", 25)
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


TEXTS = ["a", "b", "c"]
PAIRED = Metric(
    name="pairs",
    title="Pairs",
    key=("userId", "productId", "pageUrl"),
    window=tumbling(minutes=1),
    measures=(Count("n"),),
)


@pytest.mark.parametrize("slide_s", [60, 10], ids=["written out", "panes"])
@pytest.mark.parametrize(
    "fixed",
    [
        {"userId": ("b", "a")},
        {"productId": ("c", "a")},
        {"pageUrl": ("a", "c")},
        {"userId": ("a", "c"), "pageUrl": ("c", "b")},
        {"productId": "b"},
        {},
    ],
    ids=str,
)
def test_page_by_page_any_of_several_values_come_in_the_same_order(
    make_driver: Callable[..., Driver], slide_s: int, fixed: dict[str, tuple[str, ...]]
) -> None:
    metric = replace(PAIRED, window=sliding(size_seconds=60, every_seconds=slide_s))
    driver = make_driver(metric)
    fields = ("userId", "productId", "pageUrl")
    driver.feed(
        *(
            {**dict(zip(fields, texts, strict=True)), "eventType": "A", "timestamp": START_MS + ms}
            for texts in product(TEXTS, repeat=3)
            for ms in (0, 60_000)
        )
    )
    driver.process()
    with driver.store.snapshot() as snapshot:
        whole = windows(snapshot, metric, WindowQuery(limit=1000)).items
        wanted = [
            item for item in whole if all(item[name] in texts for name, texts in fixed.items())
        ]
        found, after = [], None
        while True:
            page = windows(snapshot, metric, WindowQuery(fixed, limit=5, after=after))
            found += page.items
            after = page.after
            if after is None:
                break
    assert found == wanted
    assert len(found) > 5


TEN_MINUTES = Metric("views", "V", sliding(size_seconds=600, every_seconds=10), VIEWS, ("userId",))


def test_windows_of_which_retention_has_deleted_a_part_are_left_out(
    make_driver: Callable[..., Driver],
) -> None:
    driver = make_driver(TEN_MINUTES)
    feed_views(driver, *(("ada", 10 * second) for second in range(60)))
    assert driver.windows("views")[59]["page_view_count"] == 60
    driver.store.expire(buckets_before=START_MS + 5 * MINUTE, uncounted_before=0, offsets_before={})
    page = read(driver, TEN_MINUTES, WindowQuery(limit=1000))
    assert page.complete_from == START_MS + 5 * MINUTE
    assert {item["page_view_count"] for item in page.items} == set(range(1, 31))
    assert not any("partial" in item for item in page.items)
    everything = WindowQuery(start_from=START_MS - 60 * MINUTE, limit=1000)
    assert read(driver, TEN_MINUTES, everything) == page


@pytest.mark.parametrize("metric", [PAGE_VIEWS, TEN_MINUTES])
def test_what_comes_for_a_deleted_window_does_not_show_as_the_whole(
    make_driver: Callable[..., Driver], metric: Metric
) -> None:
    driver = make_driver(metric)
    feed_views(driver, ("ada", 0))
    driver.advance(seconds=3000)
    feed_views(driver, ("ada", 3600))
    driver.process()
    driver.store.expire(
        buckets_before=START_MS + 30 * MINUTE, uncounted_before=0, offsets_before={}
    )
    late = {"userId": "bob", "eventType": "PAGE_VIEW", "timestamp": START_MS}
    driver.feed(late, intake="import")
    driver.process()
    page = read(driver, metric, WindowQuery(limit=1000))
    assert {item["userId"] for item in page.items} == {"ada"}


def test_a_metric_that_was_filled_from_a_trimmed_log_marks_what_is_not_whole(
    make_driver: Callable[..., Driver],
) -> None:
    driver = make_driver(REVENUE)
    feed_views(driver, ("ada", 0))
    feed_views(driver, ("ada", 700))
    driver.advance(seconds=3000)
    feed_views(driver, ("ada", 4500))
    driver.process()
    driver.log.trim(1)
    processor = Processor(
        driver.log, driver.store, (REVENUE, PAGE_VIEWS), AdmissionRules(), ManualClock(START_MS)
    )
    processor.recover()
    page = read(driver, PAGE_VIEWS, WindowQuery())
    first_left = START_MS + 1_200_000
    assert page.complete_from == first_left + AdmissionRules().max_clock_skew_ms + 1
    assert [(item["window_start"][11:19], item.get("partial")) for item in page.items] == [
        ("01:15:00", None),
        ("01:14:30", None),
        ("00:11:30", True),
        ("00:11:00", True),
    ]
    assert read(driver, REVENUE, WindowQuery()).complete_from is None


def test_a_new_store_on_a_trimmed_log_says_from_where_on_it_is_whole(
    make_driver: Callable[..., Driver], tmp_path: Path
) -> None:
    driver = make_driver(REVENUE)
    feed_views(driver, ("ada", 0))
    feed_views(driver, ("ada", 300))
    driver.log.trim(1)
    store = SqliteStore(tmp_path / "new.db")
    processor = Processor(
        driver.log, store, (REVENUE, PAGE_VIEWS), AdmissionRules(), ManualClock(START_MS)
    )
    for _ in range(2):
        processor.recover()
        while processor.step():
            pass
        with store.snapshot() as snapshot:
            for metric in (REVENUE, PAGE_VIEWS):
                found = windows(snapshot, metric, WindowQuery()).complete_from
                assert found == START_MS + 1_200_000 + AdmissionRules().max_clock_skew_ms + 1
    store.close()


def test_a_log_that_holds_everything_leaves_nothing_to_say(driver: Driver) -> None:
    feed_views(driver, ("ada", 0))
    driver.process()
    driver.store.expire(buckets_before=-(10**15), uncounted_before=-(10**15), offsets_before={})
    page = read(driver, PAGE_VIEWS, WindowQuery())
    assert page.complete_from is None
    assert len(page.items) == 2
