"""The end of an erasure: what a store keeps of rows that are gone, for readers of older revisions
and for processes that were paused, is deleted before its time."""

from rtcdp.definitions import ITEM_COUNT
from rtcdp.store.contract import Lease
from rtcdp.store.mongo.commit import settled_head
from rtcdp.store.mongo.connection import MongoDatabase
from rtcdp.store.mongo.erasures import ERASED, IS_PENDING
from rtcdp.store.mongo.expiry import expire
from rtcdp.store.mongo.groups import GROUPS
from rtcdp.store.mongo.head import Head, change_head
from rtcdp.store.mongo.layout import BEFORE, GONE_AT, REVISION, integer
from rtcdp.store.mongo.plan import forget_plans
from rtcdp.store.rules import check_holds


def end_erasures(database: MongoDatabase, lease: Lease | None) -> None:
    """Delete what is left of all who were erased, and remember that nothing is. Whoever reads an
    older revision has to ask again. Raises `LeaseLost`."""
    pending = list(database.collection(ERASED).find({IS_PENDING: True}, {REVISION: 1}))
    if not pending:
        return
    head = _only_newest(database, lease)
    first = min(int(each[REVISION]) for each in pending)
    _delete_items_of_nothing(database)
    database.collection(GROUPS).delete_many({"size": integer(0)})
    for definition in head.state.definitions:
        for name in definition.tables:
            rows = database.collection(name)
            rows.delete_many({GONE_AT: {"$exists": True}})
            rows.update_many(
                {REVISION: {"$gte": integer(first)}, BEFORE: {"$exists": True}},
                {"$unset": {BEFORE: ""}},
            )
    floors = head.floors
    # What has expired waits for the next time to be deleted.
    expire(database, lease, floors.buckets_before, floors.uncounted_before, floors.offsets_before)
    forget_plans(database, head.revision)
    database.collection(ERASED).update_many(
        {"_id": {"$in": [each["_id"] for each in pending]}}, {"$set": {IS_PENDING: False}}
    )


def _only_newest(database: MongoDatabase, lease: Lease | None) -> Head:
    """Let nobody read a state of before; the head as it is then."""
    while True:
        head = settled_head(database)
        check_holds(head.lease, lease)
        only_newest = {"readable_from": integer(head.revision), "kept": []}
        if change_head(database, head, lease, only_newest):
            return head


def _delete_items_of_nothing(database: MongoDatabase) -> None:
    """An item of a top list that nothing is left of may be somebody's name."""
    groups = database.collection(GROUPS)
    for name in groups.distinct("table", {"spent_at": {"$ne": None}}):
        database.collection(name).delete_many({ITEM_COUNT: {"$lte": 0}})
