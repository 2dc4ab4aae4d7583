"""The end of an erasure: what a store keeps of rows that are gone, for readers of older revisions
and for processes that were paused, is deleted before its time."""

from collections.abc import Callable, Iterator

from pymongo import ASCENDING
from pymongo.collection import Collection

from rtcdp.definitions import ITEM_COUNT
from rtcdp.store.contract import Lease
from rtcdp.store.mongo.commit import settled_head
from rtcdp.store.mongo.connection import Document, MongoDatabase
from rtcdp.store.mongo.erasures import ERASED, IS_PENDING
from rtcdp.store.mongo.expiry import expire
from rtcdp.store.mongo.groups import GROUPS
from rtcdp.store.mongo.head import Head, change_head
from rtcdp.store.mongo.layout import BEFORE, GONE_AT, REVISION, integer
from rtcdp.store.mongo.plan import forget_plans
from rtcdp.store.rules import check_holds

SLICE_DOCUMENTS = 20_000


def end_erasures(
    database: MongoDatabase, lease: Lease | None, on_slice: Callable[[], None]
) -> None:
    """Delete what is left of all who were erased, and remember that nothing is. Whoever reads an
    older revision has to ask again. `on_slice` is called after each slice of a collection. Raises
    `LeaseLost`."""
    pending = list(database.collection(ERASED).find({IS_PENDING: True}, {"_id": 1}))
    if not pending:
        return
    head = _only_newest(database, lease)
    # What whoever takes over meanwhile makes is left alone.
    until: Document = {"$lte": integer(head.revision)}
    tables = [name for definition in head.state.definitions for name in definition.tables]
    groups = database.collection(GROUPS)
    cut = {
        name
        for some in _slices(groups, on_slice)
        for name in groups.distinct("table", {**some, "spent_at": {"$ne": None}})
    }
    for name in tables:
        groups.delete_many({"table": name, "size": integer(0), REVISION: until})
        rows = database.collection(name)
        rows.delete_many({GONE_AT: {"$exists": True}, REVISION: until})
        for some in _slices(rows, on_slice):
            # Also of what was written last before the erasure: an older version may name somebody
            # whom the newest one doesn't.
            rows.update_many(
                {**some, REVISION: until, BEFORE: {"$exists": True}}, {"$unset": {BEFORE: ""}}
            )
            if name in cut:
                # An item of a top list that nothing is left of may be somebody's name.
                rows.delete_many({**some, ITEM_COUNT: {"$lte": 0}, REVISION: until})
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


def _slices(documents: Collection[Document], on_slice: Callable[[], None]) -> Iterator[Document]:
    """Conditions that hold for some documents each, and together for all that are there: to look
    at all of a large collection takes longer than an answer is waited for."""
    after: Document = {}
    while True:
        last = list(
            documents.find({"_id": after} if after else {}, {"_id": 1})
            .sort([("_id", ASCENDING)])
            .skip(SLICE_DOCUMENTS - 1)
            .limit(1)
        )
        if not last:
            yield {"_id": after} if after else {}
            on_slice()
            return
        yield {"_id": {**after, "$lte": last[0]["_id"]}}
        on_slice()
        after = {"$gt": last[0]["_id"]}
