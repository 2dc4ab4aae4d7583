"""Every test of this folder runs on every store. A store joins by its entry in `STORES`."""

import pytest

from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker
from rtcdp.vocabulary.measure import Average, Count, Distinct, Maximum, Minimum, Sum, TopK
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.table import tables_of
from rtcdp.vocabulary.window import sliding, tumbling


def _sqlite(directory, read_only):
    return SqliteStore(directory / "store.db", read_only=read_only)


STORES = {"sqlite": _sqlite}

VIEWS = Metric(
    name="views",
    title="Page views",
    window=tumbling(minutes=1),
    key=("userId",),
    measures=(Count("view_count"), Minimum("least"), Maximum("most")),
)
SHOP = Metric(
    name="shop",
    title="Shop",
    window=tumbling(minutes=1),
    key=("pageUrl", "userId"),
    measures=(Sum("revenue"), Average("mean")),
)
REACH = Metric(
    name="reach",
    title="Reach",
    window=tumbling(minutes=1),
    key=("pageUrl",),
    measures=(Distinct("users", "userId"), TopK("top", "productId")),
)
TOTAL = Metric(
    name="total",
    title="Everything",
    window=sliding(size_seconds=600, every_seconds=10),
    measures=(Count("event_count"),),
)
METRICS = (VIEWS, SHOP, REACH, TOTAL)


@pytest.fixture(params=sorted(STORES))
def open_store(request, tmp_path):
    """Opens the test's one store, as often as it is asked to; all are closed at the end."""
    opened = []

    def open_one(*, read_only=False):
        opened.append(STORES[request.param](tmp_path, read_only))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store):
    """A writer with `METRICS` prepared."""
    opened = open_store()
    opened.prepare(METRICS)
    return opened


@pytest.fixture
def epochs():
    return EpochMaker()


@pytest.fixture
def metrics():
    return {metric.name: metric for metric in METRICS}


@pytest.fixture
def tables():
    return {table.name: table for metric in METRICS for table in tables_of(metric)}
