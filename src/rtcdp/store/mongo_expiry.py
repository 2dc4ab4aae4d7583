"""Retention of a store on MongoDB: old rows are out of sight first, and deleted the next time.

What expires is below a floor that the head holds, so that every snapshot that is taken from then on
is without it, in all tables alike. Documents go when the next floor is laid: then no reader can be
on its way through them any more.
"""

from rtcdp.store.checksums import DAY_MS
from rtcdp.store.mongo_apply import UNCOUNTED
from rtcdp.store.mongo_connection import Document, MongoDatabase
from rtcdp.store.mongo_groups import GROUPS
from rtcdp.store.mongo_head import raise_floors, read_head
from rtcdp.store.mongo_layout import CHECKSUMS, LEDGER, SPANS, date, integer
from rtcdp.store.store import Lease
from rtcdp.vocabulary.table import BUCKET_START


def expire(
    database: MongoDatabase, lease: Lease | None, buckets_before: int, uncounted_before: int
) -> int:
    """Let everything before these times (UTC ms) expire. Returns the number of rows that had not
    expired before. Raises `LeaseLost`."""
    was = raise_floors(database, lease, buckets_before, uncounted_before)
    head = read_head(database)
    if was is None or head is None:
        return 0
    expired = 0
    for name in [*head.since, GROUPS]:
        collection = database.collection(name)
        collection.delete_many({BUCKET_START: {"$lt": date(was.buckets_before)}})
        if name != GROUPS:
            young = _between(BUCKET_START, was.buckets_before, buckets_before)
            expired += collection.count_documents(young)
    database.collection(CHECKSUMS.collection).delete_many(
        {"day": {"$lt": integer(was.buckets_before // DAY_MS)}}
    )
    for name, field, oldest in _DATED:
        collection = database.collection(name)
        collection.delete_many(_between(field, oldest, was.uncounted_before))
        young = _between(field, max(oldest, was.uncounted_before), uncounted_before)
        expired += collection.count_documents(young)
    return expired


_DATED = (
    (LEDGER.collection, "minute", 1),
    (UNCOUNTED, "received_at", 1),
    (SPANS.collection, "committed_at", -(2**63)),
)
"""What expires by its own time, and the oldest time that is one: records whose intake time was lost
with a damaged chunk have the time 0, and their age is unknown."""


def _between(field: str, start: int, end: int) -> Document:
    return {field: {"$gte": date(start), "$lt": date(end)}}
