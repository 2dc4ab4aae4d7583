"""Days that are read before anybody asks for them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.answers.kept_days import ENTRY_BYTES, KeptDays
from rtcdp.clock import DAY_MS, ManualClock
from rtcdp.dashboard.overview.buckets import Buckets, buckets_of
from rtcdp.dashboard.overview.lists import RankedLists, ranked_lists
from rtcdp.dashboard.overview.told import Told, told
from rtcdp.dashboard.overview.warming import CAUGHT_UP_MS, LOOK_AGAIN_S, Warming, read_ahead
from rtcdp.dashboard.period import Period
from rtcdp.store import StoreUnavailable
from rtcdp.testing.driver import Driver
from tests.unit.answers.days import DAYS, END, HOUR_MS, CountedDays, days_of_a_shop, event


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Driver, Installation]]:
    with days_of_a_shop(tmp_path) as made:
        yield made


def overview(installation: Installation, days: int) -> tuple[Buckets, Told, RankedLists]:
    buckets = buckets_of(Period(END - days * DAY_MS, END, moves=True), "UTC", END)
    found = told(installation, buckets, {})
    return buckets, found, ranked_lists(installation, buckets)


def reads(installation: Installation) -> int:
    return cast("CountedDays", installation.days).reads


def pause(installation: Installation) -> None:
    cast("ManualClock", installation.clock).advance(round(LOOK_AGAIN_S * 1000))


@pytest.mark.parametrize("days", [2, 30])
def test_what_was_read_ahead_is_told_without_reading(
    shop: tuple[Driver, Installation], days: int
) -> None:
    _, installation = shop
    warming, steps = Warming(installation), 1
    while warming.step():
        steps += 1
    # All days by day, by hour, and what sessions had in them.
    assert steps == 3 * DAYS + 1
    known = reads(installation)
    assert known > 0
    buckets, found, lists = overview(installation, days)
    assert reads(installation) == known
    _, fresh, fresh_lists = overview(replace(installation, days=KeptDays()), days)
    assert (found.figures, lists) == (fresh.figures, fresh_lists)
    narrowed = told(installation, buckets, {"product": ("mug",)})
    assert reads(installation) == known
    assert any(figure.total for figure in narrowed.figures)


def test_it_waits_until_what_came_in_is_counted(shop: tuple[Driver, Installation]) -> None:
    driver, installation = shop
    driver.feed(event("new", END - HOUR_MS))
    cast("Any", installation.clock).advance(CAUGHT_UP_MS + 1)
    warming = Warming(installation)
    for _ in range(2):
        assert warming.step()
        pause(installation)
    assert reads(installation) == 0
    driver.process()
    assert warming.step()
    assert warming.step()
    known = reads(installation)
    assert known > 0
    # Also between two days.
    driver.feed(event("newer", END - HOUR_MS))
    cast("Any", installation.clock).advance(CAUGHT_UP_MS + 1)
    assert warming.step()
    assert reads(installation) == known


def test_it_waits_for_a_store_that_is_away(shop: tuple[Driver, Installation]) -> None:
    _, installation = shop

    class Away:
        """The store, which can't be read."""

        def snapshot(self) -> None:
            raise StoreUnavailable("it is away", "wait")

        def __getattr__(self, name: str) -> Any:
            return getattr(installation.store, name)

    away = Away()
    warming = Warming(replace(installation, store=cast("Any", away)))
    assert (warming.step(), reads(installation)) == (True, 0)
    back = installation.store.snapshot
    away.snapshot = back  # type: ignore[method-assign,assignment]
    assert warming.step(), "it looks again after a while"
    pause(installation)
    assert warming.step()
    del away.snapshot
    assert (warming.step(), reads(installation)) == (True, 0)
    away.snapshot = back  # type: ignore[method-assign,assignment]
    pause(installation)
    steps = 1
    while warming.step():
        steps += 1
    assert steps == 3 * DAYS, "no day is left out"


def test_it_reads_no_more_than_half_of_what_may_be_kept(
    shop: tuple[Driver, Installation],
) -> None:
    """The newest days, and leaves them where they are."""
    installation = replace(shop[1], days=CountedDays(bytes_max=40 * ENTRY_BYTES))
    warming, steps = Warming(installation), 1
    while warming.step():
        steps += 1
    assert 2 < steps < DAYS
    known = reads(installation)
    newest = Buckets("day", "UTC", (END - DAY_MS, END), (END - DAY_MS,), END)
    read_ahead(installation, newest)
    assert reads(installation) == known


def test_where_no_sessions_are_told_there_is_nothing_to_read(
    shop: tuple[Driver, Installation],
) -> None:
    _, installation = shop
    assert not Warming(replace(installation, folds=(), clock=ManualClock(END))).step()
