"""The indexes of a store on MongoDB: in the order in which pages are read, and no others.

Their names begin with `rtcdp_`; those of other names are left alone.
"""

from collections.abc import Sequence

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import OperationFailure

from rtcdp.definitions import BUCKET_START, RowTable, Table
from rtcdp.store.mongo.acknowledgements import ACKNOWLEDGEMENTS
from rtcdp.store.mongo.apply import UNCOUNTED
from rtcdp.store.mongo.connection import MongoDatabase
from rtcdp.store.mongo.groups import GROUPS
from rtcdp.store.mongo.layout import GONE_AT, LEDGER, REVISION, SPANS
from rtcdp.store.mongo.plan import PLANS

PREFIX = "rtcdp_"

Order = tuple[tuple[str, int], ...]

_NEWEST = (("received_at", ASCENDING), ("partition", ASCENDING), ("offset", ASCENDING))

SYSTEM_ORDERS: dict[str, tuple[Order, ...]] = {
    LEDGER.collection: ((("minute", DESCENDING), ("source", ASCENDING)),),
    SPANS.collection: (
        (("max_event_time", ASCENDING), ("min_event_time", ASCENDING)),
        (("committed_at", ASCENDING),),
    ),
    UNCOUNTED: (
        _NEWEST,
        (("verdict", ASCENDING), *_NEWEST),
        (("user_id", ASCENDING), *_NEWEST),
        (("partition", ASCENDING), ("offset", ASCENDING)),
    ),
    GROUPS: (
        (("table", ASCENDING), ("size", ASCENDING)),
        ((BUCKET_START, ASCENDING),),
    ),
    ACKNOWLEDGEMENTS: (((BUCKET_START, ASCENDING),),),
    PLANS: ((("revision", ASCENDING),),),
}
"""The indexes of the store's own collections."""

_THERE_BY_ANOTHER_NAME = 85
"""The server's code for an index on the same fields that somebody has given a name."""

_VERSIONED = (LEDGER.collection, SPANS.collection, GROUPS)


def orders_of(table: Table | RowTable) -> tuple[Order, ...]:
    """The indexes of a metric's table: one in reading order; one for the whole key; and where it
    has several fields, one for each of them. Those of a row table: one for its key, and the one by
    which rows expire. And the one by which marks of deleted rows are taken away."""
    if isinstance(table, RowTable):
        key: Order = tuple((name, ASCENDING) for name in table.primary_key)
        by_time = () if table.time is None else (time_order(table),)
        return (key, *by_time, _GONE)
    primary: Order = (
        (BUCKET_START, DESCENDING),
        *((name, ASCENDING) for name in table.primary_key[1:]),
    )
    orders: list[Order] = [primary]
    if table.bound == "none" and table.key:
        orders.append((*((name, ASCENDING) for name in table.key), (BUCKET_START, DESCENDING)))
        if len(table.key) > 1:
            for field in table.key:
                others = tuple((name, ASCENDING) for name in table.key if name != field)
                orders.append(((field, ASCENDING), (BUCKET_START, DESCENDING), *others))
    return (*orders, _GONE)


def time_order(table: RowTable) -> Order:
    """Rows by their time, newest first, and those of one time by the rest of their key."""
    others = (name for name in table.primary_key if name != table.time)
    assert table.time is not None, "the rows have no time"
    return ((table.time, DESCENDING), *((name, ASCENDING) for name in others))


def ensure_system_indexes(database: MongoDatabase) -> None:
    """Make the indexes of the store's own collections where they are missing."""
    for name, orders in SYSTEM_ORDERS.items():
        _ensure(database, name, orders, is_versioned=name in _VERSIONED)


def ensure_indexes(database: MongoDatabase, tables: Sequence[Table | RowTable]) -> None:
    """Make the indexes of tables where they are missing."""
    for table in tables:
        _ensure(database, table.name, orders_of(table), is_versioned=bool(table.columns))


def drop_old_indexes(
    database: MongoDatabase, collection: str, tables: Sequence[Table | RowTable]
) -> None:
    """Drop the indexes that were made for another definition of a table. `tables` are those that
    are there now."""
    wanted = {
        _name(collection, order)
        for table in tables
        if table.name == collection
        for order in orders_of(table)
    }
    wanted.add(_name(collection, _FENCE))
    found = database.collection(collection)
    for name in found.index_information():
        if name.startswith(PREFIX) and name not in wanted:
            found.drop_index(name)


_GONE: Order = ((GONE_AT, ASCENDING),)
_FENCE: Order = (("_id", ASCENDING), (REVISION, ASCENDING))


def _ensure(
    database: MongoDatabase, collection: str, orders: Sequence[Order], *, is_versioned: bool
) -> None:
    models = [
        IndexModel(list(order), name=_name(collection, order), sparse=order[0][0] == GONE_AT)
        for order in orders
    ]
    if is_versioned and database.is_simple_server:
        # Documents that change are written under the condition of exactly these fields.
        models.append(IndexModel(list(_FENCE), name=_name(collection, _FENCE), unique=True))
    for model in models:
        try:
            database.collection(collection).create_indexes([model])
        except OperationFailure as error:
            if error.code != _THERE_BY_ANOTHER_NAME:
                raise


def _name(collection: str, order: Order) -> str:
    """A name that no index of another collection has: simple servers mix them up."""
    fields = "_".join(f"{name}_{direction}" for name, direction in order)
    return f"{PREFIX}{collection}__{fields}"
