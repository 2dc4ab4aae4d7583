"""Sessions over many users: events → what changes → store, with and without the row cache.

Run as a script, it makes one run in a process of its own and prints the result as JSON:

    python -m bench.folds STORE_URL [--users N] [--batch N] [--epochs N] [--hot SHARE] [--cache N]

Every user has a stored session before it begins. Each event is that of a random user; with `--hot`
one user has that share of them all. Events are made outside of the measured time.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from rtcdp.catalog import load_catalog
from rtcdp.clock import SystemClock
from rtcdp.definitions import Fold
from rtcdp.folds.kernel import RowsByKey, fold_batch
from rtcdp.folds.row_cache import RowCache
from rtcdp.folds.sessions import Sessions
from rtcdp.runtime.parts import store_of
from rtcdp.runtime.settings import Settings
from rtcdp.store import RowChanges, Store
from rtcdp.testing.epochs import EpochMaker

START_MS = 1_704_067_200_000
FOLD = Fold("bench_sessions", "Sessions", Sessions())
PRODUCTS = 20_000


class Stored:
    """The rows of the fold, from the store; and no past, which sessions in order never ask for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seconds = 0.0

    def rows(self, spans: pl.DataFrame) -> pl.DataFrame:
        began = time.perf_counter()
        with self._store.snapshot() as snapshot:
            found = snapshot.rows(FOLD.table, spans)
        self.seconds += time.perf_counter() - began
        return found

    def events(self, spans: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError(f"{spans.height} keys were asked about their past")


def batches(users: int, size: int, hot: float) -> Iterator[pl.DataFrame]:
    """Batches without end, four seconds of event time each, a little out of order."""
    rng = np.random.default_rng(1)
    names = pl.Series([f"user-{number:07d}" for number in range(users)])
    products = pl.Series([f"p{number}" for number in range(PRODUCTS)])
    popular = 1 / np.arange(1, PRODUCTS + 1)
    types = pl.Series(["PAGE_VIEW", "ADD_TO_CART", "PURCHASE"])
    number = 0
    while True:
        who = rng.integers(0, users, size)
        who[rng.random(size) < hot] = 0
        product = products.gather(rng.choice(PRODUCTS, size, p=popular / popular.sum()))
        set_back = np.where(rng.random(size) < 0.25, rng.integers(0, 4000, size), 0)
        yield pl.DataFrame(
            {
                "eventId": pl.select(pl.format("{}-{}", number, pl.int_range(size))).to_series(),
                "userId": names.gather(who),
                "sessionId": pl.Series([None], dtype=pl.String).new_from_index(0, size),
                "eventType": types.gather(rng.choice(3, size, p=[0.8, 0.15, 0.05])),
                "productId": product,
                "pageUrl": "/product/" + product,
                "value": np.round(rng.random(size) * 100, 2),
                "timestamp": START_MS + number * 4000 + rng.integers(0, 4000, size) - set_back,
            }
        )
        number += 1


def run(url: str, users: int, size: int, epochs: int, hot: float, cache_rows: int) -> dict:
    store = store_of(Settings(store=url), SystemClock())
    store.prepare(load_catalog(), (FOLD.table,))
    stored, maker = Stored(store), EpochMaker()
    made = batches(users, size, hot)
    everybody = next(batches(users, users, 0)).with_columns(
        pl.Series("userId", [f"user-{number:07d}" for number in range(users)])
    )
    _commit(store, maker, fold_batch(FOLD, everybody, stored, stored).difference, users)
    cache = RowCache(FOLD, stored, cache_rows) if cache_rows else None
    rows: RowsByKey = cache or stored
    spent = dict.fromkeys(("fold", "commit", "cache"), 0.0)
    rate, changed = [], 0
    for number in range(epochs + 2):
        batch = next(made)
        if number == 2:  # the first ones fill the cache
            stored.seconds, spent = 0.0, dict.fromkeys(spent, 0.0)
        began = time.perf_counter()
        folded = fold_batch(FOLD, batch, rows, stored)
        after_fold = time.perf_counter()
        _commit(store, maker, folded.difference, size)
        after_commit = time.perf_counter()
        if cache:
            cache.take(folded)
        ended = time.perf_counter()
        rate.append(size / (ended - began))
        changed = folded.difference.replace.height
        for name, seconds in zip(
            spent,
            (after_fold - began, after_commit - after_fold, ended - after_commit),
            strict=True,
        ):
            spent[name] += seconds / epochs
    store.close()
    spent["read"] = stored.seconds / epochs
    return {
        "events_per_s": round(epochs * size / sum(size / each for each in rate[2:])),
        "rows_an_epoch": changed,
        "seconds_an_epoch": {name: round(seconds, 2) for name, seconds in spent.items()},
        "hit_share": round(cache.hits / (cache.hits + cache.misses), 2) if cache else 0,
    }


def _commit(store: Store, maker: EpochMaker, change, admitted: int) -> None:
    epoch = maker.make(admitted=admitted)
    rows = RowChanges(FOLD.table, change.delete, change.replace)
    store.commit(replace(epoch, rows=(rows,)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=400_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--hot", type=float, default=0.0)
    parser.add_argument("--cache", type=int, default=1_000_000)
    chosen = parser.parse_args()
    result = run(
        *(getattr(chosen, n) for n in ("store", "users", "batch", "epochs", "hot", "cache"))
    )
    print(json.dumps(result))
