"""Carrying a plan out: each document is read, given its new version, and written under the
condition that it is still as it was read.

A document that is at the plan's revision already is left alone, so that a plan may be carried out
again after a crash, and by two processes at once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
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


def gone(row: Row) -> Row:
    """The row that takes another one away."""
    return Row(row.place, (), is_final=True, is_gone=True)


def row_tasks(database: MongoDatabase, plan: Plan) -> Iterator[Callable[[], None]]:
    """What a plan says of the tables without bounds, the ledger, the spans and the uncounted
    records, in pieces that can be done at the same time."""
    aim = Aim(plan.revision, plan.readable, at=plan.at)
    for change, removed in plan.by_table:
        if change.table.bound == "none":
            layout, its_aim = layout_of(change.table), replace(aim, since=change.since)
            collection = database.collection(layout.collection)
            old = rows_of(layout, removed)
            for frame in change.rows.iter_slices(ROWS_AT_ONCE):
                yield partial(_merge_frame, collection, layout, frame, its_aim, old.keys())
            put_back = rows_of(layout, change.rows).keys() if old else ()
            left = {each: gone(row) for each, row in old.items() if each not in put_back}
            if left:
                yield partial(merge_rows, collection, layout, left, its_aim)
    for layout, frame in (
        (LEDGER, plan.ledger),
        (SPANS, plan.spans),
        (CHECKSUMS, _checksums_of(plan)),
    ):
        collection = database.collection(layout.collection)
        for some in frame.iter_slices(ROWS_AT_ONCE):
            yield partial(_merge_frame, collection, layout, some, aim)
    for records in plan.uncounted.iter_slices(ROWS_AT_ONCE):
        uncounted = database.collection(UNCOUNTED)
        put = _insert_uncounted if plan.erasure is None else _stand_in
        yield partial(put, uncounted, records, plan.revision)


def _merge_frame(
    collection: Collection[Document],
    layout: Layout,
    frame: pl.DataFrame,
    aim: Aim,
    taken_out: AbstractSet[str] = frozenset(),
) -> None:
    """Merge rows; those that take the place of a row that is taken out are as they are now."""
    rows = rows_of(layout, frame)
    for each in rows.keys() & taken_out:
        rows[each] = replace(rows[each], is_final=True)
    merge_rows(collection, layout, rows, aim)


def _checksums_of(plan: Plan) -> pl.DataFrame:
    """What the plan's changes add to the control sums, less what an erasure takes off them."""
    removed = () if plan.erasure is None else plan.erasure.removed
    since = {change.table.name: change.since for change in (*removed, *plan.changes)}
    added, taken = (
        sums_of_changes([TableChange(change.table, change.rows) for change in changes])
        for changes in (plan.changes, removed)
    )
    totals: defaultdict[tuple[str, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for sign, sums in ((1, added), (-1, taken)):
        for name, day, low, high in sums:
            was_low, was_high = totals[name, day]
            totals[name, day] = was_low + sign * low, was_high + sign * high
    return CHECKSUMS.frame(
        [(name, since[name], day, *halves) for (name, day), halves in totals.items()]
    )


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
        # Else whoever began to carry this plan out has written it.
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
    # Of a definition that is gone: none of its versions is wanted.
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
        # A row that was taken out begins anew.
        values = values if stored is None else layout.merged(stored, values)
    update: Document = {"$set": {**layout.shown(values), **revised}}
    if GONE_AT in document:
        update["$unset"] = {GONE_AT: ""}
    return UpdateOne(condition, update)


def _insert_uncounted(
    collection: Collection[Document], records: pl.DataFrame, revision: int
) -> None:
    insert_new(collection, list(_uncounted_documents(records, revision)))


def _stand_in(collection: Collection[Document], records: pl.DataFrame, revision: int) -> None:
    """Put records in the place of what was kept of them. They keep the revision that they are there
    since: no reader of an older one may think that they counted."""
    documents = list(_uncounted_documents(records, revision))
    insert_new(collection, documents)
    collection.bulk_write(
        [
            UpdateOne(
                {"_id": each["_id"]},
                {
                    "$set": {name: each[name] for name in UNCOUNTED_SCHEMA},
                    "$unset": {"replayed_at": ""},
                },
            )
            for each in documents
        ],
        ordered=False,
    )


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
