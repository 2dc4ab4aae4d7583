"""After the same epochs every store holds the same rows, bounds reached or not."""

import random
from dataclasses import replace

import pytest

from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker, change

EPOCHS = 40
PAGES = ("/a", "/b", "/c:1", "1:/c")


@pytest.fixture
def model(tmp_path, metrics):
    """The store that all others are compared with."""
    store = SqliteStore(tmp_path / "model.db")
    store.prepare(tuple(metrics.values()))
    yield store
    store.close()


def some_changes(rng, tables):
    """One row a place in each of the tables, sometimes many, sometimes none."""

    def places(*draws):
        count = rng.choice((0, 1, 3, 30))
        return {tuple(draw() for draw in draws) for _ in range(count)}

    def start():
        return rng.choice((-60_000, 0, 60_000))

    def page():
        return rng.choice(PAGES)

    rows = {
        "views": [
            (*place, rng.randrange(5), rng.choice((None, rng.uniform(-9, 9))), rng.random())
            for place in places(start, page)
        ],
        "shop": [
            (*place, rng.randrange(-9, 9), rng.randrange(10**6), 1, rng.randrange(10**6), 1)
            for place in places(start, page, page)
        ],
        "reach__users": places(start, page, lambda: rng.randrange(-200, 200)),
        "reach__top": [
            (*place, rng.randrange(1, 9))
            for place in places(start, page, lambda: f"p{rng.randrange(40)}")
        ],
        "total__panes": [(*place, 1) for place in places(start)],
    }
    return [change(tables[name], *its_rows) for name, its_rows in rows.items()]


@pytest.mark.parametrize("seed", range(3))
def test_every_epoch_leaves_the_same_rows_in_every_store(store, model, tables, seed):
    rng = random.Random(seed)
    small = {name: replace(tables[name], capacity=4) for name in ("reach__users", "reach__top")}
    small = {**tables, **small}
    epochs = EpochMaker()
    for number in range(EPOCHS):
        epoch = epochs.make(*some_changes(rng, small), received_at=number * rng.choice((1, 900)))
        store.commit(epoch)
        model.commit(epoch)
        for table in small.values():
            assert store.dump(table).equals(model.dump(table)), f"{table.name} after {number}"
