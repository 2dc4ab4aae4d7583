"""Product updates become versions: each has its effect once, in whatever order they come."""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path

import msgspec
import polars as pl
import pytest

from rtcdp.definitions.products import PRODUCTS, UNUSED_UPDATES
from rtcdp.engines.products import ProductUpdates
from rtcdp.log.contract import Delivery
from rtcdp.log.limits import Retention
from rtcdp.store import StoreUnavailable
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db")
    store.prepare((), ProductUpdates.tables)
    yield store
    store.close()


def append(log: MemoryLog, update: Mapping[str, object], received_at: int) -> None:
    log.append([Delivery(msgspec.json.encode(update) + b"\n", 1, received_at)])


def versions(store: SqliteStore) -> list[tuple[object, ...]]:
    rows = store.dump(PRODUCTS).select("productId", "validFrom", "category").rows()
    return sorted(rows)


def test_the_last_of_two_with_one_beginning_stands(store: SqliteStore) -> None:
    log = MemoryLog(lambda: 1)
    for number, category in enumerate("abc"):
        append(log, {"productId": "p", "category": category, "validFrom": 5}, number)
    append(log, {"productId": "p", "category": "d"}, 100)
    updates = ProductUpdates(log, store)
    while updates.step():
        pass
    assert versions(store) == [("p", 5, "c"), ("p", 100, "d")]
    # Of the same again nothing comes.
    assert not updates.step()
    assert not ProductUpdates(log, store).step()


def naive(updates: Sequence[tuple[str, int, str, int]], most: int) -> list[tuple[object, ...]]:
    """By product the newest beginnings, each as it was said last."""
    standing: dict[tuple[str, int], tuple[int, str]] = {}
    for product, begins, category, received_at in updates:
        place = (product, begins)
        if place not in standing or received_at > standing[place][0]:
            standing[place] = (received_at, category)
    found = []
    for product in {product for product, _ in standing}:
        begins = sorted(begin for name, begin in standing if name == product)[-most:]
        found += [(product, begin, standing[product, begin][1]) for begin in begins]
    return sorted(found)


def test_any_order_and_any_cuts_leave_the_same_versions(tmp_path: Path) -> None:
    chance = random.Random(3)
    said = [
        (chance.choice("pq"), chance.randrange(8), f"c{number}", number) for number in range(30)
    ]
    for attempt in range(6):
        chance.shuffle(said)
        log = MemoryLog(lambda: chance.randint(1, 9))
        for product, begins, category, received_at in said:
            update = {"productId": product, "category": category, "validFrom": begins}
            append(log, update, received_at)
        store = SqliteStore(tmp_path / f"{attempt}.db")
        store.prepare((), ProductUpdates.tables)
        while ProductUpdates(log, store, 3).step():
            pass
        assert versions(store) == naive(said, 3), said
        dropped = store.dump(UNUSED_UPDATES).filter(pl.col("reason") == "history_full")
        assert dropped.height
        store.close()


def test_what_is_no_update_is_kept_with_the_reason(store: SqliteStore) -> None:
    log = MemoryLog()
    log.append([Delivery(b"", 0, 7, source="shop", rejects=((0, b'{"price":1}'),))])
    ProductUpdates(log, store).step()
    [row] = store.dump(UNUSED_UPDATES).rows(named=True)
    said = (row["reason"], row["source"], row["offset"], row["record"])
    assert said == ("missing_field", "shop", 0, '{"price":1}')
    assert "productId is missing" in row["message"]


def follow(log: MemoryLog, store: SqliteStore) -> None:
    """With nothing in memory from one step to the next."""
    while ProductUpdates(log, store).step():
        pass


class Dying(SqliteStore):
    """Dies after so many commits of a step, without or with having applied the next one."""

    left = 0
    applies = False

    def commit_backfill(self, *args: object, **options: object) -> None:
        if self.left == 0:
            if self.applies:
                super().commit_backfill(*args, **options)  # type: ignore[arg-type]
            raise StoreUnavailable("it went away", "")
        self.left -= 1
        super().commit_backfill(*args, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("applies", [False, True])
def test_a_step_that_was_cut_off_is_taken_again(tmp_path: Path, applies: bool) -> None:
    said = [{"productId": "p", "category": c, "validFrom": n} for n, c in enumerate("ab")]
    records = [msgspec.json.encode(update) for update in said]
    for left, order in enumerate(permutations([*records, b"{}"])):
        log = MemoryLog(lambda: 1)
        for at, record in enumerate(order):
            log.append([Delivery(record + b"\n", 1, at)])
        store = Dying(tmp_path / f"{applies}{left}.db")
        store.prepare((), ProductUpdates.tables)
        store.left, store.applies = left % 4, applies
        with pytest.raises(StoreUnavailable):
            follow(log, store)
        store.left = 100
        follow(log, store)
        assert versions(store) == [("p", 0, "a"), ("p", 1, "b")]
        assert store.dump(UNUSED_UPDATES).height == 1
        store.close()


def test_a_log_that_was_cut_off_is_told_and_not_followed(store: SqliteStore) -> None:
    log = MemoryLog()
    append(log, {"productId": "p"}, 1)
    ProductUpdates(log, store).step()
    told: list[str] = []
    updates = ProductUpdates(MemoryLog(), store)
    assert not updates.step(told.append)
    assert not updates.step(told.append)
    assert len(told) == 1


class Shortened(MemoryLog):
    """Notes what is to be deleted of it."""

    asked: Retention | None = None

    def expire(self, committed: Mapping[int, int], retention: Retention, now_ms: int) -> int:
        assert committed == {0: 1}
        self.asked = retention
        return super().expire(committed, retention, now_ms)


def test_the_log_is_bounded_by_its_size_and_not_by_age(store: SqliteStore) -> None:
    log = Shortened()
    append(log, {"productId": "p"}, 1)
    ProductUpdates(log, store, max_log_bytes=7).step()
    assert log.asked is not None
    assert (log.asked.max_bytes, log.asked.min_age_ms) == (7, 0)
    assert log.extent(0).first_offset == 0
