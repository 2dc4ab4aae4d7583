"""Carrying a plan out: each document is read, given its new version, and written under the
condition that it is still as it was read.

A document that is at the plan's revision already is left alone, so that a plan may be carried out
again after a crash, and by two processes at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import polars as pl
from pymongo import ReplaceOne, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from rtcdp.admission.verdicts import UNCOUNTED_SCHEMA
from rtcdp.store.checksums import sums_of_changes
from rtcdp.store.contract import RowsRefused
from rtcdp.store.epoch import TableChange
from rtcdp.store.mongo.connection import Document, MongoDatabase, only_duplicates
from rtcdp.store.mongo.layout import (
    BEFORE,
    CHECKSUMS,
    GONE_AT,
    LEDGER,
    REVISION,
    SPANS,
    Layout,
    Readable,
    Values,
    date,
    integer,
    layout_of,
)
from rtcdp.store.mongo.plan import Plan, PlannedChange

UNCOUNTED = "_uncounted"
UNCOUNTED_DATES = frozenset({"received_at", "event_time"})

IDS_AT_ONCE = 125
"""A query for more of them is slower on simple servers, and hardly faster on others."""
ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Aim:
    """The revision that is being made, `at` a time (UTC ms), and which others can be read
    meanwhile. Documents whose newest version is older than `since` are of another definition."""

    revision: int
    readable: Readable
    since: int = 0
    at: int = 0


@dataclass(frozen=True)
class Row:
    """A row on its way into a document: where it belongs, and its values.

    They join the stored ones, or with `is_final` take their place. With `is_gone` there are none,
    and the row is deleted.
    """

    place: Values
    values: Values
    is_final: bool = False
    is_gone: bool = False


def row_tasks(database: MongoDatabase, plan: Plan) -> Iterator[Callable[[], None]]:
    """What a plan says of the tables without bounds, the ledger, the spans and the uncounted
    records, in pieces that can be done at the same time."""
    aim = Aim(plan.revision, plan.readable)
    frames = [
        (layout_of(change.table), change.rows, replace(aim, since=change.since))
        for change in plan.changes
        if change.table.bound == "none"
    ]
    frames += [
        (LEDGER, plan.ledger, aim),
        (SPANS, plan.spans, aim),
        (CHECKSUMS, _checksums_of(plan.changes), aim),
    ]
    for layout, frame, its_aim in frames:
        collection = database.collection(layout.collection)
        for rows in frame.iter_slices(ROWS_AT_ONCE):
            yield partial(_merge_frame, collection, layout, rows, its_aim)
    for records in plan.uncounted.iter_slices(ROWS_AT_ONCE):
        uncounted = database.collection(UNCOUNTED)
        yield partial(_insert_uncounted, uncounted, records, plan.revision)


def _checksums_of(changes: Sequence[PlannedChange]) -> pl.DataFrame:
    since = {change.table.name: change.since for change in changes}
    rows = sums_of_changes([TableChange(change.table, change.rows) for change in changes])
    return CHECKSUMS.frame([(name, since[name], *rest) for name, *rest in rows])


def _merge_frame(
    collection: Collection[Document], layout: Layout, frame: pl.DataFrame, aim: Aim
) -> None:
    merge_rows(collection, layout, rows_of(layout, frame), aim)


def check_sums(database: MongoDatabase, changes: Sequence[PlannedChange], revision: int) -> None:
    """Raises `RowsRefused` when a sum would grow beyond 64 bits. The store is at `revision`."""
    for change in changes:
        layout = layout_of(change.table)
        collection = database.collection(layout.collection)
        for start in range(0, change.rows.height, ROWS_AT_ONCE):
            rows = rows_of(layout, change.rows[start : start + ROWS_AT_ONCE])
            for each, document in documents_of(collection, layout, list(rows)).items():
                stored = layout.version_at(document, revision, change.since)
                if stored is not None and not _fits(layout.merged(stored, rows[each].values)):
                    raise RowsRefused(
                        f"a sum of {change.table.name} grows beyond 64 bits",
                        "find the events with values that large; they can't be counted",
                    )


def _fits(values: Values) -> bool:
    return all(not isinstance(value, int) or -(2**63) <= value < 2**63 for value in values)


def rows_of(layout: Layout, frame: pl.DataFrame) -> dict[str, Row]:
    """The rows of a frame, which has the columns of the layout, by their `_id`."""
    width, id_of = len(layout.place), layout.id_of
    return {id_of(row[:width]): Row(row[:width], row[width:]) for row in frame.iter_rows()}


def merge_rows(
    collection: Collection[Document],
    layout: Layout,
    rows: Mapping[str, Row],
    aim: Aim,
    known: Mapping[str, Document] | None = None,
) -> None:
    """Give each row's document its version of the revision. `known` are the documents of these rows
    if they were read already."""
    ids = list(rows)
    for start in range(0, len(ids), ROWS_AT_ONCE):
        waiting, found = ids[start : start + ROWS_AT_ONCE], known
        # A document that another process changed meanwhile is read again.
        while waiting:
            if found is None:
                found = documents_of(collection, layout, waiting)
            waiting = _write(collection, layout, {each: rows[each] for each in waiting}, found, aim)
            found = None


def documents_of(
    collection: Collection[Document], layout: Layout, ids: Sequence[str]
) -> dict[str, Document]:
    """The documents of those `_id`s that are there, with all their versions."""
    shown = {**dict.fromkeys((*layout.column_names, REVISION, BEFORE, GONE_AT), 1), "_id": 1}
    return {
        document["_id"]: document
        for start in range(0, len(ids), IDS_AT_ONCE)
        for document in collection.find(
            {"_id": {"$in": ids[start : start + IDS_AT_ONCE]}}, shown, batch_size=IDS_AT_ONCE + 1
        )
    }


def insert_new(collection: Collection[Document], documents: Sequence[Document]) -> int:
    """Insert those documents that are not there. Returns how many were there."""
    if not documents:
        return 0
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        return only_duplicates(error)
    return 0


def _write(
    collection: Collection[Document],
    layout: Layout,
    rows: Mapping[str, Row],
    found: Mapping[str, Document],
    aim: Aim,
) -> list[str]:
    """Write what is to be written; returns the `_id`s to look at again if any had changed."""
    new: list[Document] = []
    changes: list[UpdateOne | ReplaceOne[Document]] = []
    for each, row in rows.items():
        document = found.get(each)
        if row.is_gone and not _is_there(document, aim):
            continue
        if document is None:
            new.append(_new_document(layout, each, row, aim))
        elif document[REVISION] < aim.revision:
            changes.append(_changed(layout, document, row, aim))
    missed = insert_new(collection, new)
    if changes:
        missed += len(changes) - collection.bulk_write(changes, ordered=False).matched_count
    return list(rows) if missed else []


def _is_there(document: Document | None, aim: Aim) -> bool:
    return document is not None and document[REVISION] >= aim.since and GONE_AT not in document


def _new_document(layout: Layout, each: str, row: Row, aim: Aim) -> Document:
    return {
        "_id": each,
        **layout.placed(row.place),
        **layout.shown(row.values),
        REVISION: integer(aim.revision),
    }


def _changed(
    layout: Layout, document: Document, row: Row, aim: Aim
) -> UpdateOne | ReplaceOne[Document]:
    condition = {"_id": document["_id"], REVISION: document[REVISION]}
    if document[REVISION] < aim.since:
        return ReplaceOne(condition, _new_document(layout, document["_id"], row, aim))
    before = layout.versions_before(document, aim.readable)
    revised = {REVISION: integer(aim.revision), BEFORE: before}
    if row.is_gone:
        return UpdateOne(
            condition,
            {
                "$set": {**revised, GONE_AT: date(aim.at)},
                "$unset": dict.fromkeys(layout.column_names, ""),
            },
        )
    values = row.values
    if not row.is_final:
        stored = layout.version_at(document, aim.revision - 1, aim.since)
        assert stored is not None
        values = layout.merged(stored, values)
    update: Document = {"$set": {**layout.shown(values), **revised}}
    if GONE_AT in document:
        update["$unset"] = {GONE_AT: ""}
    return UpdateOne(condition, update)


def _insert_uncounted(
    collection: Collection[Document], records: pl.DataFrame, revision: int
) -> None:
    insert_new(collection, list(_uncounted_documents(records, revision)))


def _uncounted_documents(records: pl.DataFrame, revision: int) -> Iterator[Document]:
    numbers = [name for name, dtype in UNCOUNTED_SCHEMA.items() if dtype == pl.Int64]
    for row in records.iter_rows(named=True):
        for name in numbers:
            if row[name] is not None:
                row[name] = (date if name in UNCOUNTED_DATES else integer)(row[name])
        yield {
            "_id": uncounted_id(row["partition"], row["offset"]),
            **row,
            REVISION: integer(revision),
        }


def uncounted_id(partition: int, offset: int) -> str:
    """The `_id` of an uncounted record."""
    return f"{partition}:{offset}"
