"""Windows that are added up from panes when they are read."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.answers import panes
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.windows import WindowQuery, windows
from rtcdp.definitions import (
    Average,
    Count,
    Distinct,
    Maximum,
    Metric,
    Minimum,
    Sum,
    TopK,
    Window,
    sliding,
    tables_of,
)
from rtcdp.testing.driver import START_MS, Driver

EVERYTHING = Metric(
    name="everything",
    title="All measures",
    key=("userId",),
    window=sliding(size_seconds=60, every_seconds=10),
    measures=(
        Count("events"),
        Sum("total"),
        Average("mean"),
        Minimum("low"),
        Maximum("high"),
        Distinct("products", "productId"),
        TopK("best", "productId", k=2),
    ),
)

views = st.lists(st.tuples(st.sampled_from("abc"), st.integers(-90_000, 90_000)), max_size=12)
overlapping = st.tuples(st.integers(1, 9), st.integers(5, 70)).map(
    lambda pair: Window(1000 * (pair[0] * 5 + pair[1] % pair[0]), 1000 * pair[0])
)


def naive(window: Window, views: list[tuple[str, int]]) -> list[tuple[str, str, int]]:
    counts = Counter(
        (start, user)
        for user, at in views
        for start in range(at - window.size_ms + 1, at + 1)
        if start % window.slide_ms == 0
    )
    newest_first = sorted(counts, key=lambda group: (-group[0], group[1]))
    return [(iso_ms(start), user, counts[start, user]) for start, user in newest_first]


@settings(max_examples=25)
@given(overlapping, views, st.integers(1, 7))
def test_pages_of_windows_equal_the_definition(
    window: Window, views: list[tuple[str, int]], limit: int
) -> None:
    metric = Metric("views", "V", window, (Count("n"),), ("userId",))
    assert not window.is_written_out
    with TemporaryDirectory() as directory:
        driver = Driver([metric], Path(directory))
        driver.feed(
            *({"userId": u, "eventType": "PAGE_VIEW", "timestamp": START_MS + t} for u, t in views)
        )
        driver.process()
        found: list[tuple[object, ...]] = []
        after = None
        with driver.store.snapshot() as snapshot:
            while True:
                page = windows(snapshot, metric, WindowQuery(limit=limit, after=after))
                found += [(i["window_start"], i["userId"], i["n"]) for i in page.items]
                after = page.after
                if after is None:
                    break
        driver.close()
    assert found == naive(window, [(user, START_MS + at) for user, at in views])


@pytest.fixture
def driver(make_driver: Callable[..., Driver]) -> Driver:
    made = make_driver(EVERYTHING)
    for second, product, value in [(0, "p", 1.0), (15, "q", 5.5), (15, "p", None), (59, "r", 0.5)]:
        made.feed(
            {
                "userId": "ada",
                "eventType": "PURCHASE",
                "timestamp": START_MS + 1000 * second,
                "productId": product,
                "value": value,
            }
        )
    made.process()
    return made


def read(driver: Driver, query: WindowQuery) -> list[dict[str, object]]:
    with driver.store.snapshot() as snapshot:
        return windows(snapshot, EVERYTHING, query).items


def test_every_measure_is_added_up_over_the_panes(driver: Driver) -> None:
    (item,) = read(driver, WindowQuery(start_from=START_MS, start_to=START_MS + 1))
    assert item == {
        "userId": "ada",
        "window_start": "2026-01-01T00:00:00.000Z",
        "window_end": "2026-01-01T00:01:00.000Z",
        "events": 4,
        "total": 7.0,
        "mean": 7.0 / 3,
        "low": 0.5,
        "high": 5.5,
        "products": 3,
        "best": [{"productId": "p", "count": 2}, {"productId": "q", "count": 1}],
    }


def test_starts_are_taken_from_the_range_and_not_outside(driver: Driver) -> None:
    query = WindowQuery(start_from=START_MS - 15_000, start_to=START_MS + 10_000)
    starts = [str(item["window_start"])[14:19] for item in read(driver, query)]
    assert starts == ["00:00", "59:50"]


def test_a_user_has_only_windows_of_their_own(driver: Driver) -> None:
    before = read(driver, WindowQuery({"userId": "ada"}))
    driver.feed({"userId": "grace", "eventType": "SEARCH", "timestamp": START_MS})
    driver.process()
    assert read(driver, WindowQuery({"userId": "ada"})) == before
    assert {i["userId"] for i in read(driver, WindowQuery({"userId": "grace"}))} == {"grace"}
    assert read(driver, WindowQuery({"userId": "linus"})) == []


def test_no_more_windows_are_read_than_wanted(driver: Driver) -> None:
    wanted = panes.Wanted({}, None, None, None, limit=4)
    with driver.store.snapshot() as snapshot:
        rows = panes.read(snapshot, EVERYTHING, tables_of(EVERYTHING)[0], wanted)
    assert rows.height == 4


def test_slices_of_a_long_scan_are_joined(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(driver, WindowQuery())
    monkeypatch.setattr(panes, "MIN_SLICE_ROWS", 1)
    monkeypatch.setattr(panes, "MAX_EXPLODED_ROWS", 1)
    assert read(driver, WindowQuery()) == whole


def test_without_a_key_members_and_items_are_those_of_everybody(
    make_driver: Callable[..., Driver],
) -> None:
    metric = Metric(
        "all_of_us",
        "All",
        sliding(size_seconds=60, every_seconds=10),
        (Count("events"), Distinct("users", "userId"), TopK("pages", "pageUrl", k=1)),
    )
    driver = make_driver(metric)
    for user, page in [("ada", "/a"), ("bob", "/a"), ("ada", "/b")]:
        event = {"userId": user, "eventType": "PAGE_VIEW", "timestamp": START_MS, "pageUrl": page}
        driver.feed(event)
    items = driver.windows("all_of_us")
    assert [item["users"] for item in items] == [2] * 6
    assert items[0]["pages"] == [{"pageUrl": "/a", "count": 2}]
