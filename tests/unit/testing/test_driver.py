"""The driver that users test their own metrics with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.definitions import Count, Distinct, Metric, Sum, TopK, event_type, sliding, tumbling
from rtcdp.errors import UsageError
from rtcdp.testing.driver import LEDGER, UNCOUNTED, Driver, differing, dump

METRIC = Metric("views", "Views", tumbling(minutes=1), (Count("n"),))


def fed(directory, *users):
    driver = Driver([METRIC], directory)
    for user in users:
        event = {"userId": user, "eventType": "PAGE_VIEW", "timestamp": driver.now_ms}
        driver.feed(event if user else {"eventType": "PAGE_VIEW"})
    driver.process()
    return dump(driver.store, [METRIC])


def test_a_dump_has_every_table_the_ledger_and_what_was_not_counted(tmp_path):
    found = fed(tmp_path, "ada", "")
    assert set(found) == {"views", LEDGER, UNCOUNTED}
    assert found["views"]["n"].to_list() == [1]
    assert found[LEDGER]["received"].to_list() == [2]
    assert found[UNCOUNTED]["reason"].to_list() == ["missing_field"]
    assert "offset" not in found[UNCOUNTED].columns


def test_the_same_events_make_equal_dumps(tmp_path):
    one, other = fed(tmp_path / "1", "ada", "bob", ""), fed(tmp_path / "2", "", "bob", "ada")
    assert differing(one, other) == []


def test_what_differs_is_named(tmp_path):
    one, other = fed(tmp_path / "1", "ada"), fed(tmp_path / "2", "ada", "bob")
    assert differing(one, other) == [LEDGER, "views"]
    assert differing(one, {}) == sorted(one)


VIEWS = Metric(
    name="views",
    title="Page views per user",
    window=sliding(size_seconds=60, every_seconds=30),
    measures=(Count("view_count"),),
    key=("userId",),
    predicate=event_type("PAGE_VIEW"),
)
SHOP = Metric(
    name="shop",
    title="The shop",
    window=tumbling(minutes=1),
    measures=(Sum("revenue"), Distinct("shoppers", "userId"), TopK("products", "productId", 2)),
)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    driver = Driver([VIEWS, SHOP], tmp_path)
    yield driver
    driver.close()


def view(driver: Driver, user: str = "ada") -> dict[str, object]:
    return {"userId": user, "eventType": "PAGE_VIEW", "timestamp": driver.now_ms}


def test_an_event_counts_in_every_window_it_lies_in(driver: Driver) -> None:
    driver.feed(view(driver))
    assert driver.windows("views") == [
        {
            "userId": "ada",
            "window_start": "2026-01-01T00:00:00.000Z",
            "window_end": "2026-01-01T00:01:00.000Z",
            "view_count": 1,
        },
        {
            "userId": "ada",
            "window_start": "2025-12-31T23:59:30.000Z",
            "window_end": "2026-01-01T00:00:30.000Z",
            "view_count": 1,
        },
    ]


def test_time_passes_when_it_is_told_to(driver: Driver) -> None:
    driver.feed(view(driver))
    driver.advance(seconds=60)
    driver.feed(view(driver), view(driver))
    counts = [window["view_count"] for window in driver.windows("views", userId="ada")]
    assert counts == [2, 2, 1, 1]


def test_windows_of_one_key(driver: Driver) -> None:
    driver.feed(view(driver, "ada"), view(driver, "bob"))
    assert {window["userId"] for window in driver.windows("views", userId="bob")} == {"bob"}


def test_measures_of_all_kinds(driver: Driver) -> None:
    for user, product, value in [("a", "x", 0.1), ("a", "y", 0.2), ("b", "x", None)]:
        driver.feed({**view(driver, user), "productId": product, "value": value})
    assert driver.windows("shop") == [
        {
            "window_start": "2026-01-01T00:00:00.000Z",
            "window_end": "2026-01-01T00:01:00.000Z",
            "revenue": 0.3,
            "shoppers": 2,
            "products": [{"productId": "x", "count": 2}, {"productId": "y", "count": 1}],
        }
    ]


def test_what_is_not_counted_is_in_the_ledger(driver: Driver) -> None:
    known = {**view(driver), "eventId": "e1"}
    driver.feed(known, known, {**known, "userId": "eve"}, b"{", {**view(driver), "timestamp": 0})
    assert driver.ledger() == {
        "received": 5,
        "admitted": 1,
        "duplicate": 2,
        "late": 1,
        "dead_letter": 1,
        "conflict": 1,
        "erased": 0,
    }


def test_imported_events_are_never_late(driver: Driver) -> None:
    driver.feed({**view(driver), "timestamp": 0}, intake="import")
    assert driver.ledger()["admitted"] == 1


def test_a_restart_forgets_nothing(driver: Driver) -> None:
    known = {**view(driver), "eventId": "e1"}
    driver.feed(known)
    driver.process()
    driver.restart()
    driver.feed(known)
    assert [window["view_count"] for window in driver.windows("views")] == [1, 1]
    assert driver.ledger()["duplicate"] == 1


def test_an_unknown_metric_is_named(driver: Driver) -> None:
    with pytest.raises(UsageError, match="no metric nothing"):
        driver.windows("nothing")
