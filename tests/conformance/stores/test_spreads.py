"""Equal values have no spread, and no store stumbles over what doubles leave of it."""

import polars as pl
import pytest

from rtcdp.definitions import Metric, StandardDeviation, Variance, sliding, tables_of, tumbling
from rtcdp.testing.epochs import EpochMaker, change

WINDOWS = (tumbling(minutes=1), sliding(size_seconds=60, every_seconds=5))


@pytest.mark.parametrize("window", WINDOWS)
def test_equal_values_have_no_spread(open_store, window) -> None:
    measures = (Variance("variance"), StandardDeviation("deviation"))
    metric = Metric("spread", "Spread", window, measures)
    store = open_store()
    store.prepare([metric])
    (table,) = tables_of(metric)
    rows = [
        (n * 60_000, *(7 * part for m in measures for part in m.of_event({"value": n * 1.37})))
        for n in range(1, 60)
    ]
    store.commit(EpochMaker().make(change(table, *rows)))
    with store.snapshot() as snapshot:
        if hasattr(snapshot, "readable"):
            seen = snapshot.readable(metric).select("variance", "deviation")
            assert seen.select(pl.all().min() >= 0).row(0) == (True, True)
            assert seen.select(pl.all().max() < 0.001).row(0) == (True, True)
