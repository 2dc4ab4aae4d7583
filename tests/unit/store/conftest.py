"""Real files and databases for the parts of the stores, and metrics of every shape."""

import pytest

from rtcdp.definitions import (
    Average,
    Count,
    Distinct,
    Maximum,
    Metric,
    Minimum,
    Sum,
    TopK,
    sliding,
    tumbling,
)
from rtcdp.store.mongo import MongoStore
from rtcdp.store.mongo.connection import MongoDatabase
from rtcdp.store.postgres.address import parse_address
from rtcdp.store.postgres.schema import open_writer as open_postgres_writer
from rtcdp.store.sqlite.file import open_writer

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


@pytest.fixture
def address(postgres_schema_url):
    """Where a PostgreSQL store can be made."""
    return parse_address(postgres_schema_url)


@pytest.fixture
def writer(address):
    """A connection that writes to PostgreSQL, with the store's own tables, in a transaction."""
    opened = open_postgres_writer(address)
    opened.begin()
    yield opened
    opened.close()


@pytest.fixture
def mongo_database(mongo_url):
    """An empty database on a MongoDB server."""
    opened = MongoDatabase(mongo_url)
    yield opened
    opened.close()


@pytest.fixture
def open_mongo_store(mongo_url):
    """Opens the store in that database, as often as it is asked to."""
    opened = []

    def open_one(**options):
        opened.append(MongoStore(mongo_url, **options))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()
