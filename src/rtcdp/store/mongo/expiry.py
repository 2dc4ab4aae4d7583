"""Retention of a store on MongoDB: old rows are out of sight first, and deleted the next time.

What expires is below a floor that the head holds, so that every snapshot that is taken from then on
is without it, in all tables alike. Documents go when the next floor is laid: then no reader can be
on its way through them any more.
"""

from collections.abc import Mapping

from rtcdp.clock import DAY_MS
from rtcdp.definitions import BUCKET_START
from rtcdp.store.contract import Lease
from rtcdp.store.mongo.acknowledgements import expire_acknowledgements
from rtcdp.store.mongo.apply import UNCOUNTED
from rtcdp.store.mongo.connection import Document, MongoDatabase
from rtcdp.store.mongo.groups import GROUPS
from rtcdp.store.mongo.head import raise_floors, read_head
from rtcdp.store.mongo.layout import CHECKSUMS, GONE_AT, LEDGER, SPANS, date, integer


def expire(
    database: MongoDatabase,
    lease: Lease | None,
    buckets_before: int,
    uncounted_before: int,
    offsets_before: Mapping[int, int],
) -> int:
    """Let everything before these times (UTC ms) expire; of the uncounted records and the spans,
    what lies before these offsets by partition. Returns the number of rows that had not expired
    before. Raises `LeaseLost`."""
    was = raise_floors(database, lease, buckets_before, uncounted_before, offsets_before)
    head = read_head(database)
    if was is None or head is None:
        return 0
    expired = 0
    database.collection(GROUPS).delete_many({BUCKET_START: {"$lt": date(was.buckets_before)}})
    for name, time in head.times.items():
        collection = database.collection(name)
        collection.delete_many({time: {"$lt": date(was.buckets_before)}})
        young = _between(time, was.buckets_before, buckets_before)
        expired += collection.count_documents({**young, GONE_AT: None})
    database.collection(CHECKSUMS.collection).delete_many(
        {"day": {"$lt": integer(was.buckets_before // DAY_MS)}}
    )
    expire_acknowledgements(database, buckets_before)
    ledger = database.collection(LEDGER.collection)
    ledger.delete_many(_between("minute", 1, was.uncounted_before))
    expired += ledger.count_documents(
        _between("minute", max(1, was.uncounted_before), uncounted_before)
    )
    for name, field, oldest, place, last in _PLACED:
        collection = database.collection(name)
        for partition, offset in {**was.offsets_before, **offsets_before}.items():
            gone = was.offsets_before.get(partition, 0)
            dated = _between(field, oldest, was.uncounted_before)
            collection.delete_many({"partition": partition, place: {"$lte": gone + last}, **dated})
            dated = _between(field, oldest, uncounted_before)
            expired += collection.count_documents(
                {"partition": partition, place: {"$lte": offset + last}, **dated}
            )
    return expired


_PLACED = (
    (UNCOUNTED, "received_at", 1, "offset", -1),
    (SPANS.collection, "committed_at", -(2**63), "next_offset", 0),
)
"""What expires by its own time and place; the oldest time that is one (records whose intake time
was lost with a damaged chunk have the time 0, and their age is unknown); and how far from the first
offset that stays the last one lies that goes."""


def _between(field: str, start: int, end: int) -> Document:
    return {field: {"$gte": date(start), "$lt": date(end)}}
