"""Which alarms somebody has seen, in a store on MongoDB: a document for each, found by its `_id`.

They are no part of an epoch, so there is no plan to write ahead: one document is written at once or
not at all, and what is said twice is there once.
"""

from collections.abc import Sequence
from hashlib import sha256

from rtcdp.definitions import BUCKET_START
from rtcdp.store.contract import Acknowledgement
from rtcdp.store.mongo.connection import Document, MongoDatabase
from rtcdp.store.mongo.layout import date

ACKNOWLEDGEMENTS = "_acknowledgements"


def put_acknowledgement(database: MongoDatabase, seen: Acknowledgement) -> None:
    """Remember one, in place of an earlier one of the same alarm."""
    document: Document = {
        "series": seen.series,
        BUCKET_START: date(seen.window_start),
        "seen_by": seen.by,
        "seen_at": date(seen.at),
        "note": seen.note,
    }
    database.collection(ACKNOWLEDGEMENTS).update_one(
        {"_id": _id(seen.series, seen.window_start)}, {"$set": document}, upsert=True
    )


def take_acknowledgement_away(database: MongoDatabase, series: str, window_start: int) -> bool:
    """Forget one. Returns whether it was there."""
    found = database.collection(ACKNOWLEDGEMENTS).delete_one({"_id": _id(series, window_start)})
    return found.deleted_count > 0


def read_acknowledgements(
    database: MongoDatabase, window_from: int, window_to: int
) -> Sequence[Acknowledgement]:
    """Those of windows that begin in the half-open range (UTC ms)."""
    wanted = {BUCKET_START: {"$gte": date(window_from), "$lt": date(window_to)}}
    return [
        Acknowledgement(
            series=each["series"],
            window_start=int(each[BUCKET_START]),
            by=each["seen_by"],
            at=int(each["seen_at"]),
            note=each["note"],
        )
        for each in database.collection(ACKNOWLEDGEMENTS).find(wanted)
    ]


def expire_acknowledgements(database: MongoDatabase, windows_before: int) -> None:
    """Delete those of windows that begin before a time (UTC ms)."""
    old = {BUCKET_START: {"$lt": date(windows_before)}}
    database.collection(ACKNOWLEDGEMENTS).delete_many(old)


def _id(series: str, window_start: int) -> str:
    return f"{window_start}:{sha256(series.encode()).hexdigest()}"
