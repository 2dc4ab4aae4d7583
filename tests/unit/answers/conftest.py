"""An installation whose store has told the stories of two days."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import Driver
from tests.told import DAY, HOUR, START, Teller, carts, visits
from tests.unit.answers.days import days_of_a_shop

NOW = START + DAY + 2 * HOUR + 5_000

MakeTeller = Callable[..., Teller]


@pytest.fixture
def make_teller(tmp_path: Path) -> Iterator[MakeTeller]:
    opened: list[SqliteStore] = []

    def make(*folds: object) -> Teller:
        opened.append(SqliteStore(tmp_path / f"told{len(opened)}.db"))
        return Teller(opened[-1], folds)  # type: ignore[arg-type]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def told(make_teller: MakeTeller) -> Installation:
    teller = make_teller()
    teller.tell(visits(), START + DAY + 2 * HOUR, [5, 1])
    return teller.installation(NOW)


@pytest.fixture
def carts_told(make_teller: MakeTeller) -> Installation:
    """Three days of carts, the last of which may still be bought."""
    teller = make_teller()
    teller.tell(carts(), START + 3 * DAY, [2])
    return teller.installation(START + 3 * DAY, allowed_lateness_ms=HOUR)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Driver, Installation]]:
    with days_of_a_shop(tmp_path) as found:
        yield found
