"""Sessions over many users: events → what changes → store, the timeline with them. As in the
engine, the next batch is folded while the last one is being committed.

Run as a script, it makes one run in a process of its own and prints the result as JSON:

    python -m bench.folds STORE_URL [--users N] [--batch N] [--epochs N] [--hot SHARE] [--cache N]

Every user has a stored session before it begins. Each event is that of a random user; with `--hot`
one user has that share of them all. Events are made outside of the measured time.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import polars as pl

from rtcdp.definitions import Fold
from rtcdp.engines.folding import Folding
from rtcdp.folds.row_cache import ROWS_MAX
from rtcdp.folds.sessions import Sessions
from rtcdp.runtime.parts import store_of
from rtcdp.runtime.settings import Settings
from rtcdp.store import Epoch, Store
from rtcdp.store.row_changes import fitted_rows
from rtcdp.testing.epochs import EpochMaker

START_MS = 1_704_067_200_000
FOLD = Fold("bench_sessions", "Sessions", Sessions())
PRODUCTS = 20_000


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


@dataclass(frozen=True)
class Size:
    """How many users there are, events a batch, batches, and what a row cache may hold; and which
    share of all events is one user's."""

    users: int
    batch: int
    epochs: int
    hot: float
    cache: int


def run(store: Store, size: Size) -> dict[str, object]:
    """Fold and commit batches. The first two fill the cache, and are not measured."""
    folding, maker = Folding((FOLD,), store, size.cache), EpochMaker()
    store.prepare((), folding.tables)
    everybody = next(batches(size.users, size.users, 0)).with_columns(
        pl.Series("userId", [f"user-{number:07d}" for number in range(size.users)])
    )
    _all_of(store, maker, everybody.iter_slices(100_000), folding)
    made = list(islice(batches(size.users, size.batch, size.hot), size.epochs + 2))
    _all_of(store, maker, made[:2], folding)
    began, worked = time.perf_counter(), time.process_time()
    changed, fold_s, commit_s = _all_of(store, maker, made[2:], folding)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    events = size.epochs * size.batch
    return {
        "events_per_s": round(events / seconds),
        "cpu_s_a_million": round(worked / events * 1e6, 2),
        "rows_an_epoch": changed,
        "seconds": round(seconds, 2),
        "seconds_of": {"fold": round(fold_s, 2), "commit": round(commit_s, 2)},
    }


def _all_of(
    store: Store, maker: EpochMaker, batches: Iterable[pl.DataFrame], folding: Folding
) -> tuple[int, float, float]:
    """One batch after another; the rows that the last one changed, and the seconds that all spent
    in folding, and in committing."""
    changed, fold_s, commits = 0, 0.0, [0.0]

    def commit(epoch: Epoch) -> None:
        began = time.perf_counter()
        store.commit(epoch)
        commits.append(time.perf_counter() - began)

    def landed() -> None:
        under_way.result()
        folding.landed()

    with ThreadPoolExecutor(1) as beside:
        under_way = beside.submit(lambda: None)
        for batch in batches:
            began = time.perf_counter()
            rows = tuple(fitted_rows(folding.fold(batch, maker.number + 1)))
            fold_s += time.perf_counter() - began
            landed()
            under_way = beside.submit(commit, replace(maker.make(admitted=batch.height), rows=rows))
            folding.under_way(under_way.result)
            changed = sum(each.replace.height for each in rows)
        landed()
    return changed, fold_s, sum(commits)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=400_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--hot", type=float, default=0.0)
    parser.add_argument("--cache", type=int, default=ROWS_MAX)
    chosen = parser.parse_args()
    size = Size(chosen.users, chosen.batch, chosen.epochs, chosen.hot, chosen.cache)
    with store_of(Settings(store=chosen.store)) as opened:
        sys.stdout.write(json.dumps(run(opened, size)) + "\n")
