from dataclasses import replace

import pytest
from pymongo import IndexModel
from pymongo.errors import OperationFailure

from rtcdp.definitions import tables_of
from rtcdp.store.mongo.indexes import (
    PREFIX,
    SYSTEM_ORDERS,
    drop_old_indexes,
    ensure_indexes,
    ensure_system_indexes,
    orders_of,
)

NEWEST = ("window_start", -1)
GONE = (("_gone_at", 1),)


def keys(database, collection):
    indexes = database.collection(collection).index_information()
    return {name: tuple(index["key"]) for name, index in indexes.items()}


def test_there_is_an_index_for_every_order_in_which_pages_are_read(written_out):
    assert orders_of(tables_of(written_out)[0]) == (
        (NEWEST, ("pageUrl", 1), ("userId", 1)),
        (("pageUrl", 1), ("userId", 1), NEWEST),
        (("pageUrl", 1), NEWEST, ("userId", 1)),
        (("userId", 1), NEWEST, ("pageUrl", 1)),
        GONE,
    )


def test_a_table_without_key_and_one_with_bounds_have_one_index(written_out):
    assert orders_of(replace(tables_of(written_out)[0], key=())) == ((NEWEST,), GONE)
    assert orders_of(tables_of(written_out)[2]) == (
        (NEWEST, ("pageUrl", 1), ("userId", 1), ("item", 1)),
        GONE,
    )


def test_they_are_made_once_and_those_of_others_stay(mongo_database, written_out):
    sales, *_ = tables_of(written_out)
    own = IndexModel([("revenue", 1)], name="ours")
    mongo_database.collection("sales").create_indexes([own])
    for _ in range(2):
        ensure_system_indexes(mongo_database)
        ensure_indexes(mongo_database, [sales])
    assert set(orders_of(sales)) <= set(keys(mongo_database, "sales").values())
    for collection, orders in SYSTEM_ORDERS.items():
        assert set(orders) <= set(keys(mongo_database, collection).values())
    drop_old_indexes(mongo_database, "sales", [replace(sales, key=("userId",))])
    left = keys(mongo_database, "sales")
    assert "ours" in left
    assert not any("pageUrl" in name for name in left if name.startswith(PREFIX))


class Server:
    """One with a single collection, on which making an index fails."""

    is_simple_server = False

    def __init__(self, code):
        self._code = code
        self.asked = 0

    def collection(self, name):
        del name
        return self

    def create_indexes(self, models):
        self.asked += len(models)
        raise OperationFailure("no", self._code)


def test_an_index_that_somebody_else_has_made_will_do(written_out):
    table = tables_of(written_out)[0]
    server = Server(85)
    ensure_indexes(server, [table])
    assert server.asked == len(orders_of(table))
    with pytest.raises(OperationFailure):
        ensure_indexes(Server(86), [table])


def test_a_simple_server_gets_an_index_of_the_fields_that_a_write_asks_for(
    mongo_database, written_out
):
    table = tables_of(written_out)[0]
    ensure_indexes(mongo_database, [table])
    fence = (("_id", 1), ("_revision", 1))
    assert fence in keys(mongo_database, "sales").values()
    drop_old_indexes(mongo_database, "sales", [table])
    assert fence in keys(mongo_database, "sales").values()


def test_a_full_server_does_not(mongo_database, written_out):
    mongo_database.__dict__["is_simple_server"] = False
    ensure_indexes(mongo_database, [tables_of(written_out)[0]])
    assert not any("_revision" in name for name in keys(mongo_database, "sales"))
