"""Real files for the parts of the SQL stores, and metrics of every shape."""

import pytest

from rtcdp.store.sqlite_file import open_writer
from rtcdp.vocabulary.measure import Average, Count, Distinct, Maximum, Minimum, Sum, TopK
from rtcdp.vocabulary.metric import Metric
from rtcdp.vocabulary.window import sliding, tumbling

MEASURES = (
    Count("events"),
    Sum("revenue"),
    Average("mean"),
    Minimum("least"),
    Maximum("most"),
    Distinct("users", "userId"),
    TopK("top", "productId"),
)


@pytest.fixture
def written_out():
    return Metric("sales", "Sales", tumbling(minutes=1), MEASURES, key=("pageUrl", "userId"))


@pytest.fixture
def in_panes():
    window = sliding(size_seconds=60, every_seconds=7)
    return Metric("moving", "Moving", window, MEASURES, key=("userId",))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def connection(path):
    """A connection that writes, on a file with the store's own tables."""
    opened = open_writer(path, busy_timeout_ms=100)
    yield opened
    opened.close()


@pytest.fixture
def transaction(connection):
    """The same connection inside a transaction, which is rolled back."""
    connection.run("BEGIN IMMEDIATE")
    return connection
