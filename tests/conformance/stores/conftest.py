# ruff: noqa: S608 - the tests' own SQL
"""Every test of this folder runs on every store."""

import pytest

from rtcdp.definitions import (
    Average,
    Count,
    Distinct,
    Maximum,
    Metric,
    Minimum,
    RowTable,
    Sum,
    TopK,
    sliding,
    tables_of,
    tumbling,
)
from rtcdp.store.mongo import MongoStore
from rtcdp.store.mongo.layout import LEDGER, layout_of, layout_of_rows
from rtcdp.testing.epochs import EpochMaker

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


@pytest.fixture
def tamper():
    """Changes a value of a row behind the store's back."""

    def change(store, table, primary_key, column, value):
        if isinstance(store, MongoStore):
            layout = layout_of_rows(table) if isinstance(table, RowTable) else layout_of(table)
            _set(store, table.name, layout.id_of(primary_key), column, value)
            return
        where = " AND ".join(
            f'"{name}" = {_text(part)}'
            for name, part in zip(table.primary_key, primary_key, strict=True)
        )
        _update(store, f'UPDATE "__{table.name}" SET "{column}" = {value} WHERE {where}')

    return change


@pytest.fixture
def tamper_ledger():
    """Changes a count of a minute behind the store's back."""

    def change(store, minute, column, value):
        if isinstance(store, MongoStore):
            _set(store, "_ledger", LEDGER.id_of((minute, "default")), column, value)
            return
        _update(store, f"UPDATE _ledger SET {column} = {value} WHERE minute = {minute}")

    return change


def _text(part):
    return f"'{part}'" if isinstance(part, str) else part


def _set(store, collection, document, column, value):
    found = store._database.collection(collection).update_one(
        {"_id": document}, {"$set": {column: value}}
    )
    assert found.modified_count == 1


def _update(store, sql):
    with store._writing() as connection:
        assert connection.run(sql) == 1
