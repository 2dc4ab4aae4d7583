"""A plan: everything that the next revision changes, written down before any of it is done.

Once a plan is decided, whoever comes can carry it out, and carrying it out twice is the same as
once. A small one rests in the head document itself, a larger one in documents of its own.
"""

import hashlib
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import polars as pl
import zstandard
from bson.binary import Binary

from rtcdp.admission.erased import ErasedUser
from rtcdp.admission.verdicts import UNCOUNTED_SCHEMA
from rtcdp.definitions import RowTable, Table
from rtcdp.errors import RtcdpError
from rtcdp.store.mongo.connection import Document, MongoDatabase
from rtcdp.store.mongo.layout import LEDGER, SPANS, Readable, integer, layout_of
from rtcdp.store.row_changes import key_schema, row_schema

INLINE_BYTES_MAX = 256 * 1024
CHUNK_BYTES_MAX = 8 * 2**20
PLANS = "_plan"


class PlanDamaged(RtcdpError):
    """A plan was decided, and what it says is not there as it was written."""

    exit_code = 3


@dataclass(frozen=True)
class PlannedChange:
    """Rows to merge into a table, one row per primary key. Documents whose newest version is older
    than the revision `since` are of another definition, and count as not there."""

    table: Table
    since: int
    rows: pl.DataFrame


@dataclass(frozen=True)
class PlannedRows:
    """Rows of a row table to delete, by key, and to replace; the rest as in `PlannedChange`."""

    table: RowTable
    since: int
    delete: pl.DataFrame
    replace: pl.DataFrame


@dataclass(frozen=True)
class PlannedErasure:
    """Whose events count no more, whole rows of tables to take out before the plan's changes are
    merged, and the acknowledgements to take away: series and window starts."""

    user: ErasedUser | None
    removed: tuple[PlannedChange, ...] = ()
    acknowledgements: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Plan:
    """What makes `revision` of the one before, decided `at` a time (UTC ms). Versions that no
    `readable` revision needs are forgotten on the way. With an `erasure`, the `uncounted` records
    stand in for all that was kept of these."""

    revision: int
    readable: Readable
    changes: tuple[PlannedChange, ...] = ()
    ledger: pl.DataFrame = field(default_factory=LEDGER.schema.to_frame)
    spans: pl.DataFrame = field(default_factory=SPANS.schema.to_frame)
    uncounted: pl.DataFrame = field(default_factory=UNCOUNTED_SCHEMA.to_frame)
    rows: tuple[PlannedRows, ...] = ()
    at: int = 0
    erasure: PlannedErasure | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no document changes."""
        frames = (self.ledger, self.spans, self.uncounted, *(c.rows for c in self.changes))
        has_more = self.rows or self.erasure is not None
        return not has_more and all(frame.is_empty() for frame in frames)

    @property
    def by_table(self) -> tuple[tuple[PlannedChange, pl.DataFrame], ...]:
        """Of each table what is merged into it, which may be nothing, and the rows that are taken
        out of it before."""
        removed = {} if self.erasure is None else {c.table: c for c in self.erasure.removed}
        found = [
            (each, removed.pop(each.table).rows if each.table in removed else each.rows.clear())
            for each in self.changes
        ]
        others = ((replace(each, rows=each.rows.clear()), each.rows) for each in removed.values())
        return (*found, *others)


class _Part(msgspec.Struct, frozen=True):
    """The columns of one frame, and what it belongs to."""

    columns: dict[str, list[Any]]
    table: Table | None = None
    since: int = 0


class _RowsPart(msgspec.Struct, frozen=True):
    """The changes of a row table."""

    table: RowTable
    since: int
    delete: dict[str, list[Any]]
    replace: dict[str, list[Any]]


class _ErasurePart(msgspec.Struct, frozen=True):
    """Whom to erase, and what is kept for no longer."""

    user: ErasedUser | None
    removed: list[_Part]
    acknowledgements: list[tuple[str, int]]


class _Written(msgspec.Struct, frozen=True):
    """A plan as it is written down."""

    revision: int
    readable: Readable
    changes: list[_Part]
    ledger: _Part
    spans: _Part
    uncounted: _Part
    rows: list[_RowsPart] = []
    at: int = 0
    erasure: _ErasurePart | None = None


def encode(plan: Plan) -> bytes:
    """A plan as bytes."""
    ledger, spans, uncounted = (
        _Part(_columns(frame)) for frame in (plan.ledger, plan.spans, plan.uncounted)
    )
    written = _Written(
        plan.revision,
        plan.readable,
        [_part(each) for each in plan.changes],
        ledger,
        spans,
        uncounted,
        [
            _RowsPart(each.table, each.since, _columns(each.delete), _columns(each.replace))
            for each in plan.rows
        ],
        plan.at,
        None
        if plan.erasure is None
        else _ErasurePart(
            plan.erasure.user,
            [_part(each) for each in plan.erasure.removed],
            list(plan.erasure.acknowledgements),
        ),
    )
    return zstandard.compress(msgspec.msgpack.encode(written))


def _with_younger(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The columns of the ledger, with zeros for one that the version which wrote them knew not."""
    zeros = [0] * len(next(iter(columns.values()), ()))
    return {name: columns.get(name, zeros) for name in LEDGER.schema}


def decode(data: bytes) -> Plan:
    """The plan that was encoded."""
    written = msgspec.msgpack.decode(zstandard.decompress(data), type=_Written)
    erasure = written.erasure
    return Plan(
        revision=written.revision,
        readable=written.readable,
        changes=tuple(_change(part) for part in written.changes),
        ledger=pl.DataFrame(_with_younger(written.ledger.columns), LEDGER.schema),
        spans=pl.DataFrame(written.spans.columns, SPANS.schema),
        uncounted=pl.DataFrame(written.uncounted.columns, UNCOUNTED_SCHEMA),
        rows=tuple(
            PlannedRows(
                part.table,
                part.since,
                pl.DataFrame(part.delete, key_schema(part.table)),
                pl.DataFrame(part.replace, row_schema(part.table)),
            )
            for part in written.rows
        ),
        at=written.at,
        erasure=None
        if erasure is None
        else PlannedErasure(
            erasure.user,
            tuple(_change(part) for part in erasure.removed),
            tuple(erasure.acknowledgements),
        ),
    )


def _part(change: PlannedChange) -> _Part:
    return _Part(_columns(change.rows), change.table, change.since)


def _change(part: _Part) -> PlannedChange:
    assert part.table is not None
    rows = pl.DataFrame(part.columns, layout_of(part.table).schema)
    return PlannedChange(part.table, part.since, rows)


def _columns(frame: pl.DataFrame) -> dict[str, list[Any]]:
    return frame.to_dict(as_series=False)


def write_plan(database: MongoDatabase, plan: Plan) -> Document:
    """Write a plan down; what it returns goes into the head, which decides it."""
    data = encode(plan)
    pending: Document = {
        "id": uuid.uuid4().hex,
        "revision": integer(plan.revision),
        "digest": hashlib.sha256(data).hexdigest(),
        "chunks": 0,
    }
    if len(data) <= INLINE_BYTES_MAX:
        return {**pending, "data": Binary(data)}
    starts = range(0, len(data), CHUNK_BYTES_MAX)
    for number, start in enumerate(starts):
        database.collection(PLANS).insert_one(
            {
                "_id": f"{pending['id']}:{number}",
                "revision": pending["revision"],
                "data": Binary(data[start : start + CHUNK_BYTES_MAX]),
            }
        )
    return {**pending, "chunks": len(starts)}


def read_plan(database: MongoDatabase, pending: Document) -> Plan | None:
    """The plan that the head speaks of; None when its documents are gone, as they are when another
    process has carried it out. Raises `PlanDamaged`."""
    if not pending["chunks"]:
        data = bytes(pending["data"])
    else:
        ids = [f"{pending['id']}:{number}" for number in range(pending["chunks"])]
        found = {
            d["_id"]: d["data"] for d in database.collection(PLANS).find({"_id": {"$in": ids}})
        }
        if len(found) < len(ids):
            return None
        data = b"".join(found[each] for each in ids)
    if hashlib.sha256(data).hexdigest() != pending["digest"]:
        raise damaged(pending)
    return decode(data)


def damaged(pending: Document) -> PlanDamaged:
    """What to say of a plan that can't be carried out."""
    return PlanDamaged(
        f"the plan of revision {pending['revision']} is not what was written",
        "give the store another database, and let it be computed again from the log",
    )


def forget_plans(database: MongoDatabase, revision: int) -> None:
    """Delete what was written down for revisions up to this one: nobody can decide them now."""
    database.collection(PLANS).delete_many({"revision": {"$lte": revision}})
