"""A shop of some days, told of by answers that count how often they have to read."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rtcdp.answers.freshness import Installation
from rtcdp.answers.kept_days import KeptDays, Mark
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import DAY_MS, ManualClock
from rtcdp.testing.driver import START_MS, Driver

T = TypeVar("T")
HOUR_MS = 3_600_000
DAYS = 5
END = START_MS + DAYS * DAY_MS


class CountedDays(KeptDays):
    """Counts how often something had to be read."""

    reads = 0

    def get(self, name: Hashable, mark: Mark, read: Callable[[], tuple[T, int | None]]) -> T:
        def counted() -> tuple[T, int | None]:
            self.reads += 1
            return read()

        return super().get(name, mark, counted)


def event(user: str, at: int, kind: str = "PAGE_VIEW", **more: object) -> dict[str, object]:
    return {"userId": user, "timestamp": at, "eventType": kind, "pageUrl": f"/{user}", **more}


@contextmanager
def days_of_a_shop(directory: Path) -> Iterator[tuple[Driver, Installation]]:
    driver = Driver(load_catalog(), directory, folds=load_folds())
    driver.advance(seconds=DAYS * 86_400)
    events = [
        event(f"u{(day + n) % 7}", START_MS + day * DAY_MS + n * 5 * HOUR_MS)
        for day in range(DAYS)
        for n in range(5)
    ]
    bought = {"kind": "PURCHASE", "productId": "mug", "value": 2.5}
    events += [event("u1", START_MS + day * DAY_MS + HOUR_MS, **bought) for day in range(DAYS)]
    driver.feed(*events, intake="import")
    driver.process()
    clock = ManualClock(END)
    yield (
        driver,
        Installation(
            driver.store,
            load_catalog(),
            clock,
            driver.log,
            folds=load_folds(),
            days=CountedDays(),
        ),
    )
    driver.close()
