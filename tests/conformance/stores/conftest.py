"""Every test of this folder runs on every store."""

import pytest

from rtcdp.testing.epochs import EpochMaker
from rtcdp.vocabulary.measure import Average, Count, Distinct, Maximum, Minimum, Sum, TopK
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.table import tables_of
from rtcdp.vocabulary.window import sliding, tumbling

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
