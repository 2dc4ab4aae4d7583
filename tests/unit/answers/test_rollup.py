"""What rests in the store, put together: the limits, and which windows fit side by side.

What comes out is held against plain Python in `tests/properties/test_query.py`.
"""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from rtcdp.answers import rollup
from rtcdp.answers.rollup import (
    Wanted,
    check_tiles,
    needed_for,
    rolled_up,
    tile_end,
    tile_start,
)
from rtcdp.definitions import (
    BUCKET_START,
    DISTINCT_EXACT_UP_TO,
    Calendar,
    Count,
    Distinct,
    Metric,
    Ratio,
    States,
    Table,
    TopK,
    sliding,
    tumbling,
)
from rtcdp.errors import BadRequest
from rtcdp.store import Scan, StoreSnapshot
from rtcdp.testing.driver import START_MS, Driver

MINUTE, HOUR = 60_000, 3_600_000
USERS = Metric(
    "users",
    "U",
    tumbling(minutes=1),
    (Count("n"), Distinct("users", "userId"), Ratio("each", "n", "users"), TopK("top", "userId")),
)


@pytest.fixture
def driver(make_driver: Callable[..., Driver]) -> Driver:
    """Ada in three minutes, and Bob in one of them."""
    made = make_driver(USERS)
    for minute, user in [(0, "ada"), (1, "ada"), (1, "bob"), (2, "ada")]:
        at = START_MS + minute * MINUTE
        made.feed({"userId": user, "eventType": "PAGE_VIEW", "timestamp": at})
    made.process()
    return made


def put_together(driver: Driver, *edges: int) -> rollup.Rollup:
    with driver.store.snapshot() as snapshot:
        return rolled_up(snapshot, USERS, Wanted(USERS.measures, edges))


def test_a_user_of_three_minutes_is_one_of_the_hour(driver: Driver) -> None:
    found = put_together(driver, START_MS, START_MS + HOUR)
    assert found.columns.rows() == [(START_MS, 4)]
    states = States(found.columns, (BUCKET_START,), found.sides["users"])
    assert USERS.measures[1].final(states) == [2]


def test_different_texts_are_told_apart_by_a_key_of_one_window(
    make_driver: Callable[..., Driver],
) -> None:
    by_type = Metric("t", "T", tumbling(hours=1), (Distinct("users", "userId"),), ("eventType",))
    driver = make_driver(by_type)
    for user, kind in [("ada", "SEARCH"), ("bob", "SEARCH"), ("ada", "PURCHASE")]:
        driver.feed({"userId": user, "eventType": kind, "timestamp": START_MS})
    driver.process()
    wanted = Wanted(by_type.measures, (START_MS, START_MS + HOUR), ("eventType",))
    with driver.store.snapshot() as snapshot:
        found = rolled_up(snapshot, by_type, wanted).merged(("eventType",))
    counts = found.sides["users"].group_by("eventType").len()
    assert sorted(counts.rows()) == [("PURCHASE", 1), ("SEARCH", 2)]


def test_the_slices_that_are_read_change_nothing(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = (START_MS, START_MS + MINUTE, START_MS + 3 * MINUTE)
    whole = put_together(driver, *edges)
    monkeypatch.setattr(rollup, "_SLICE_ROWS", 1)
    monkeypatch.setattr(rollup, "_GROUPS_AT_ONCE", 1)
    sliced = put_together(driver, *edges)
    assert sliced.columns.sort(BUCKET_START).equals(whole.columns.sort(BUCKET_START))
    for name, rows in whole.sides.items():
        assert sliced.sides[name].sort(rows.columns).equals(rows.sort(rows.columns))


def test_nothing_has_the_same_columns(driver: Driver) -> None:
    found = put_together(driver, START_MS - HOUR, START_MS)
    assert found.columns.columns == [BUCKET_START, "n"]
    assert found.sides.keys() == {"users", "top"}


@pytest.mark.parametrize(("limit", "says"), [("ROWS_MAX", "windows"), ("SIDE_ROWS_MAX", "texts")])
def test_what_would_be_too_much_is_refused(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, limit: str, says: str
) -> None:
    monkeypatch.setattr(rollup, limit, 2)
    with pytest.raises(BadRequest, match=f"more than 2 .*{says}"):
        put_together(driver, START_MS, START_MS + HOUR)


class Watched:
    """A snapshot, and what was read of it."""

    def __init__(self, snapshot: StoreSnapshot) -> None:
        self._snapshot = snapshot
        self.windows = 0
        self.groups: list[int] = []

    def scan(self, scan: Scan) -> pl.DataFrame:
        rows = self._snapshot.scan(scan)
        self.windows += rows.height if scan.limit > 1 else 0
        return rows

    def members(self, side: Table, groups: pl.DataFrame) -> pl.DataFrame:
        self.groups.append(groups.height)
        return self._snapshot.members(side, groups)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._snapshot, name)


def test_only_what_is_asked_for_is_read_and_never_more_members_than_may_be(
    make_driver: Callable[..., Driver],
) -> None:
    measures = (Count("n"), Distinct("pages", "pageUrl"))
    by_user = Metric("by_user", "B", tumbling(minutes=1), measures, ("userId",))
    driver = make_driver(by_user)
    view = {"eventType": "PAGE_VIEW", "timestamp": START_MS, "pageUrl": "/"}
    driver.feed(*({**view, "userId": f"u{number}"} for number in range(400)))
    driver.process()
    edges = (START_MS, START_MS + HOUR)
    with driver.store.snapshot() as snapshot:
        few: Any = Watched(snapshot)
        equals = {"userId": ("u7", "u9", "u7", "nobody")}
        found = rolled_up(few, by_user, Wanted(measures, edges, (), equals))
        assert found.columns.rows() == [(START_MS, 2)]
        assert few.windows == 2
        everybody: Any = Watched(snapshot)
        rolled_up(everybody, by_user, Wanted(measures, edges))
    assert sum(everybody.groups) == 400
    assert max(everybody.groups) * DISTINCT_EXACT_UP_TO <= rollup.SIDE_ROWS_MAX


def test_a_ratio_needs_what_it_is_made_of() -> None:
    assert [measure.name for measure in needed_for(USERS, ["each"])] == ["n", "users", "each"]


def test_windows_with_gaps_between_them_are_refused() -> None:
    gaps = Metric("gaps", "G", sliding(size_seconds=50, every_seconds=30), (Count("n"),))
    with pytest.raises(BadRequest, match="don't fit side by side"):
        check_tiles(gaps)
    for window in (
        sliding(size_seconds=60, every_seconds=30),
        sliding(size_seconds=100, every_seconds=15),
    ):
        check_tiles(Metric("fits", "F", window, (Count("n"),)))


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (tumbling(hours=1), START_MS, START_MS + HOUR),
        (sliding(size_seconds=3600, every_seconds=60), START_MS + HOUR // 2, None),
        (Calendar("day", "Asia/Kolkata"), START_MS - 11 * HOUR // 2, None),
    ],
)
def test_what_is_counted_together_has_a_beginning_and_an_end(
    window: object, start: int, end: int | None
) -> None:
    metric = Metric("m", "M", window, (Count("n"),))  # type: ignore[arg-type]
    assert tile_start(metric, START_MS + HOUR // 2) == start
    if end is not None:
        assert tile_end(metric, start) == end
    assert tile_start(metric, tile_end(metric, start)) == tile_end(metric, start)
