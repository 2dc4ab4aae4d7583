"""The head: the one document in which a store's state is decided.

It holds everything that is small: which revision the documents are at, the progress, totals, the
definitions of metrics, the lease, and the plan that is being carried out. Every decision is one
conditional update of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson.int64 import Int64
from pymongo.collection import ReturnDocument
from pymongo.errors import DuplicateKeyError

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import LEDGER_SCHEMA
from rtcdp.clock import KeptTime
from rtcdp.definitions import BUCKET_START
from rtcdp.log.contract import LogMark
from rtcdp.store.contract import Lease, Progress, RulesInForce, StateMismatch
from rtcdp.store.mongo.connection import Document, MongoDatabase
from rtcdp.store.mongo.layout import SPANS, Readable, date, integer
from rtcdp.store.rules import check_holds

PROGRESS = "_progress"
HEAD = "head"
VERSION = 3
"""Of the way in which a store rests in its database. Version 1 kept no rules, no time, and nothing
of what is decided and remembered; version 2 knew no row tables."""

_DECIDES_SINCE = 2

NO_FLOOR = -(2**63)

COUNTS = tuple(LEDGER_SCHEMA.names()[2:])


@dataclass(frozen=True)
class Definition:
    """A metric or a row table as the store has it. No sum of it is beyond `sum_max`, up or down.

    `is_active`: the engine keeps it up to date now. `is_complete`: no backfill is needed; else
    `next_offsets` says where it goes on. Documents of its `tables` that are older than the revision
    `since` are of another definition. Windows that start before `complete_from` are not whole.
    `is_summed`: the sums of its counts are kept since it was made. `is_rows`: it is a row table.
    Rows expire by the `time`, a field, if there is one.
    """

    name: str
    fingerprint: str
    is_active: bool
    is_complete: bool
    since: int
    tables: tuple[str, ...]
    next_offsets: Mapping[int, int] = field(default_factory=dict)
    sum_max: int = 0
    complete_from: int | None = None
    is_summed: bool = False
    is_rows: bool = False
    time: str | None = BUCKET_START


@dataclass(frozen=True)
class LastSpan:
    """The newest span of a partition, which the next one may be joined to."""

    partition: int
    first_offset: int
    next_offset: int
    min_event_time: int | None
    max_event_time: int | None
    committed_at: int


@dataclass(frozen=True)
class Floors:
    """What has expired: buckets that start before `buckets_before` and records from before
    `uncounted_before` (UTC ms) that lie before `offsets_before`, by partition. What lies before
    those that end in `_deleted` is deleted for good."""

    buckets_before: int = NO_FLOOR
    uncounted_before: int = NO_FLOOR
    buckets_deleted: int = NO_FLOOR
    uncounted_deleted: int = NO_FLOOR
    offsets_before: Mapping[int, int] = field(default_factory=dict)
    offsets_deleted: Mapping[int, int] = field(default_factory=dict)

    def has_expired(self, partition: int, offset: int) -> bool:
        """Whether a record that is old enough lies where it may be gone."""
        return offset < self.offsets_before.get(partition, 0)


Quiet = Mapping[int, tuple[int, int]]
"""Of partitions without events: before which intake time (UTC ms) none comes any more, and up to
which offset they were counted then; states of before know nothing of it."""


@dataclass(frozen=True)
class State:
    """What a plan changes of the head. `recent` are the last revisions with the time (UTC ms) at
    which each was committed."""

    progress: Progress = Progress()
    totals: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    definitions: tuple[Definition, ...] = ()
    last_spans: tuple[LastSpan, ...] = ()
    recent: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Kept:
    """A state of before that can still be read, kept since `at` (UTC ms)."""

    revision: int
    at: int
    state: State


@dataclass(frozen=True)
class Head:
    """The head as it was read.

    Documents can be read as of any revision from `readable_from` to `revision`, and as of those
    that are `kept`. `pending` is the plan that leads to the next one, if it was decided.
    `leftovers` are collections that hold documents of old definitions: (name, since).
    """

    revision: int = 0
    readable_from: int = 0
    state: State = State()
    kept: tuple[Kept, ...] = ()
    floors: Floors = Floors()
    lease: Lease | None = None
    pending: Document | None = None
    leftovers: tuple[tuple[str, int], ...] = ()
    rules: tuple[RulesInForce, ...] = ()
    time: KeptTime = KeptTime()
    quiet: Quiet = field(default_factory=dict)

    @property
    def since(self) -> dict[str, int]:
        """The tables that are there, each with the revision that its definition is from."""
        return {table: d.since for d in self.state.definitions for table in d.tables}

    @property
    def times(self) -> dict[str, str]:
        """The tables whose rows expire, each with the field of the time by which they do."""
        timed = ((d.time, d.tables) for d in self.state.definitions)
        return {table: time for time, tables in timed if time is not None for table in tables}


def read_head(database: MongoDatabase) -> Head | None:
    """The head without its plan's data; None while no writer has made the store. Raises
    `StateMismatch`."""
    # A plan may have megabytes, of which readers need nothing.
    found = database.collection(PROGRESS).find_one({"_id": HEAD}, {"plan.data": 0, "plan.after": 0})
    return None if found is None else _head(found)


def read_pending(database: MongoDatabase) -> Document | None:
    """The plan that was decided and not carried out to its end, with its data."""
    found = database.collection(PROGRESS).find_one({"_id": HEAD}, {"plan": 1})
    return None if found is None else found["plan"]


def is_pending(database: MongoDatabase, pending: Document) -> bool:
    """Whether a plan that was decided is still to be carried out to its end."""
    wanted = {"_id": HEAD, "plan.id": pending["id"]}
    return database.collection(PROGRESS).find_one(wanted, {"_id": 1}) is not None


def make_head(database: MongoDatabase) -> None:
    """Make the store, unless it is there."""
    head = Head()
    document = {
        "_id": HEAD,
        "version": VERSION,
        "revision": integer(head.revision),
        "readable_from": integer(head.readable_from),
        "kept": kept_document(head.kept),
        "plan": None,
        "lease": None,
        "leftovers": [],
        "rules": [],
        "time": time_document(head.time),
        **_floors_document(head.floors),
        **state_document(head.state),
    }
    try:
        database.collection(PROGRESS).insert_one(document)
    except DuplicateKeyError:
        return


def change_head(database: MongoDatabase, head: Head, lease: Lease | None, fields: Document) -> bool:
    """Set fields of the head if it is still the one that was read, has no plan, and nobody has
    taken over the lease; False if not."""
    condition = {"_id": HEAD, "revision": integer(head.revision), "plan": None, **_held(lease)}
    return database.collection(PROGRESS).update_one(condition, {"$set": fields}).matched_count > 0


def finish(database: MongoDatabase, pending: Document) -> None:
    """Let the head say that its plan was carried out. Does nothing if somebody else has."""
    revision = int(pending["revision"])
    database.collection(PROGRESS).update_one(
        {"_id": HEAD, "plan.id": pending["id"]},
        {"$set": {**pending["after"], "revision": integer(revision), "plan": None}},
    )


def read_limits(database: MongoDatabase) -> tuple[Readable, Floors]:
    """Which revisions can be read now, and what has expired."""
    wanted = {"readable_from": 1, "kept.revision": 1, "floors": 1}
    found = _plain(database.collection(PROGRESS).find_one({"_id": HEAD}, wanted))
    if found is None:
        return Readable(0), Floors()
    kept = tuple(each["revision"] for each in found["kept"])
    return Readable(found["readable_from"], kept), _floors(found)


def upgrade_head(database: MongoDatabase, lease: Lease | None) -> None:
    """Let older versions of the program no longer write to a store that is there.

    What retention deleted before there was a floor for offsets went by its age alone: the rows of
    uncounted records together with the spans of their epochs. So what has a span has its verdicts.
    """
    older = {"_id": HEAD, "version": {"$lt": VERSION}, **_held(lease)}
    wanted = {"version": 1, "floors": 1, "partitions": 1}
    found = database.collection(PROGRESS).find_one(older, wanted)
    if found is None:
        return
    changes: Document = {"version": VERSION}
    floors = _floors(found)
    if found["version"] < _DECIDES_SINCE and floors.uncounted_before > NO_FLOOR:
        known_from = {
            each["partition"]: _first_known(database, each, floors.uncounted_before)
            for each in _plain(found["partitions"])
            if each["next_offset"] is not None
        }
        changes |= {"floors.offsets_before": _pairs({**known_from, **floors.offsets_before})}
    database.collection(PROGRESS).update_one(older, {"$set": changes})


def _first_known(database: MongoDatabase, partition: Document, committed_from: int) -> int:
    """The first offset of a partition that an epoch since then (UTC ms) has a span of."""
    known = {"partition": partition["partition"], "committed_at": {"$gte": date(committed_from)}}
    spans = database.collection(SPANS.collection).find(known, {"first_offset": 1})
    firsts = [int(span["first_offset"]) for span in spans]
    return min(firsts, default=int(partition["next_offset"]))


def set_fields(database: MongoDatabase, lease: Lease | None, fields: Document) -> None:
    """Set fields of the head that no plan changes. Raises `LeaseLost`."""
    collection = database.collection(PROGRESS)
    if not collection.update_one({"_id": HEAD, **_held(lease)}, {"$set": fields}).matched_count:
        check_holds((read_head(database) or Head()).lease, lease)


def raise_floors(
    database: MongoDatabase,
    lease: Lease | None,
    buckets_before: int,
    uncounted_before: int,
    offsets_before: Mapping[int, int],
) -> Floors | None:
    """Let everything before these times and offsets be expired, and what was expired before be
    deleted.

    Returns the floors as they were; None when there is no store. Raises `LeaseLost`.
    """
    head = read_head(database)
    if head is None:
        return None
    was = head.floors
    floors = Floors(
        max(buckets_before, was.buckets_before),
        max(uncounted_before, was.uncounted_before),
        # One call later than they expire: readers of a snapshot may look at them until then.
        was.buckets_before,
        was.uncounted_before,
        {**was.offsets_before, **offsets_before},
        was.offsets_before,
    )
    found = database.collection(PROGRESS).find_one_and_update(
        {"_id": HEAD, **_held(lease)},
        {"$set": _floors_document(floors)},
        projection={"floors": 1},
        return_document=ReturnDocument.BEFORE,
    )
    if found is None:
        check_holds((read_head(database) or Head()).lease, lease)
        return None
    return _floors(found)


def state_document(state: State) -> Document:
    """The fields of the head that hold a state."""
    progress = state.progress
    partitions = sorted({*progress.next_offsets, *progress.max_received_at})
    return {
        "epoch": integer(progress.epoch),
        "committed_at": integer(progress.committed_at),
        "engine": progress.engine,
        "log_id": progress.log_id,
        "partitions": [
            {
                "partition": integer(partition),
                "next_offset": _integer_or_none(progress.next_offsets.get(partition)),
                "max_received_at": _integer_or_none(progress.max_received_at.get(partition)),
                "remembered_from": _integer_or_none(progress.remembered_from.get(partition)),
                "decided_from": _integer_or_none(progress.decided_from.get(partition)),
                "mark": _mark_document(progress.marks.get(partition)),
            }
            for partition in partitions
        ],
        "totals": {name: integer(count) for name, count in state.totals.items()},
        "metrics": [_definition_document(definition) for definition in state.definitions],
        "last_spans": [
            [_integer_or_none(value) for value in vars(span).values()] for span in state.last_spans
        ],
        "recent": [[integer(revision), integer(at)] for revision, at in state.recent],
    }


def kept_document(kept: Sequence[Kept]) -> list[Document]:
    """The states that are kept, each with its revision."""
    return [
        {"revision": integer(k.revision), "at": integer(k.at), **state_document(k.state)}
        for k in kept
    ]


def leftovers_document(leftovers: Mapping[str, int]) -> list[Document]:
    """Collections that hold documents of definitions from before a revision."""
    return [{"collection": name, "since": integer(since)} for name, since in leftovers.items()]


def rules_document(rules: Sequence[RulesInForce]) -> list[Document]:
    """The history of the rules of admission."""
    return [
        {
            "from_epoch": integer(entry.from_epoch),
            "from_offsets": _pairs(entry.from_offsets),
            "rules": {name: integer(limit) for name, limit in vars(entry.rules).items()},
        }
        for entry in rules
    ]


def time_document(kept: KeptTime) -> Document:
    """What the store keeps of the time."""
    return {**vars(kept), "trusted_ms": integer(kept.trusted_ms), "step_ms": integer(kept.step_ms)}


def quiet_document(head: Head, quiet_until: Mapping[int, int]) -> list[list[object]]:
    """What the head says of partitions without events when these are known too."""
    known = dict(head.quiet)
    for partition, until in quiet_until.items():
        if until > known.get(partition, (0, 0))[0]:
            known[partition] = until, head.state.progress.next_offsets.get(partition, 0)
    return [[integer(value) for value in (p, *of_it)] for p, of_it in sorted(known.items())]


def _held(lease: Lease | None) -> Document:
    return {} if lease is None else {"lease.token": integer(lease.token)}


def _head(document: Document) -> Head:
    found = _plain(document)
    if found.get("version", VERSION + 1) > VERSION:
        raise StateMismatch(
            f"the store has version {found.get('version')}, and this program knows up to {VERSION}",
            "run the version that wrote it or a newer one, or give this one a store of its own",
        )
    lease = found["lease"]
    floors = _floors(found)
    quiet = {p: (until, offset) for p, until, offset in found.get("quiet", ())}
    return Head(
        revision=found["revision"],
        readable_from=found["readable_from"],
        state=_state(found, floors, quiet),
        kept=tuple(
            Kept(each["revision"], each["at"], _state(each, floors, quiet))
            for each in found["kept"]
        ),
        floors=floors,
        lease=None if lease is None else Lease(**lease),
        pending=found["plan"],
        leftovers=tuple((each["collection"], each["since"]) for each in found["leftovers"]),
        rules=tuple(
            RulesInForce(
                each["from_epoch"], dict(each["from_offsets"]), AdmissionRules(**each["rules"])
            )
            for each in found.get("rules", ())
        ),
        time=KeptTime(**found.get("time", {})),
        quiet=quiet,
    )


def _state(found: Document, floors: Floors, quiet: Quiet) -> State:
    partitions: Sequence[Document] = found["partitions"]
    next_offsets = _by_partition(partitions, "next_offset")
    return State(
        progress=Progress(
            epoch=found["epoch"],
            next_offsets=next_offsets,
            max_received_at=_by_partition(partitions, "max_received_at"),
            committed_at=found["committed_at"],
            engine=found["engine"],
            log_id=found["log_id"],
            remembered_from=_by_partition(partitions, "remembered_from"),
            decided_from={
                each["partition"]: max(
                    each.get("decided_from") or 0,
                    min(floors.offsets_before.get(each["partition"], 0), each["next_offset"]),
                )
                for each in partitions
                if each["next_offset"] is not None
            },
            marks={p["partition"]: LogMark(*p["mark"]) for p in partitions if p.get("mark")},
            quiet_until={
                p: until for p, (until, at) in quiet.items() if next_offsets.get(p, 0) >= at
            },
        ),
        totals={**dict.fromkeys(COUNTS, 0), **found["totals"]},
        definitions=tuple(_definition(each) for each in found["metrics"]),
        last_spans=tuple(LastSpan(*each) for each in found["last_spans"]),
        recent=tuple((revision, at) for revision, at in found["recent"]),
    )


def _mark_document(mark: LogMark | None) -> list[object] | None:
    return None if mark is None else [integer(mark.offset), integer(mark.checksum)]


def _by_partition(partitions: Sequence[Document], name: str) -> dict[int, int]:
    return {each["partition"]: each[name] for each in partitions if each.get(name) is not None}


def _definition_document(definition: Definition) -> Document:
    of_rows = {"is_rows": True, "time": definition.time} if definition.is_rows else {}
    return {
        **of_rows,
        "name": definition.name,
        "fingerprint": definition.fingerprint,
        "is_active": definition.is_active,
        "is_complete": definition.is_complete,
        "since": integer(definition.since),
        "tables": list(definition.tables),
        "next_offsets": _pairs(definition.next_offsets),
        "sum_max": integer(definition.sum_max),
        "is_summed": definition.is_summed,
        "complete_from": _integer_or_none(definition.complete_from),
    }


def _definition(found: Document) -> Definition:
    tables, offsets = tuple(found["tables"]), dict(found["next_offsets"])
    return Definition(**{**found, "tables": tables, "next_offsets": offsets})


def _floors_document(floors: Floors) -> Document:
    return {
        "floors": {
            name: integer(value) if isinstance(value, int) else _pairs(value)
            for name, value in vars(floors).items()
        }
    }


def _floors(found: Document) -> Floors:
    offsets = ("offsets_before", "offsets_deleted")
    floors = _plain(found["floors"])
    return Floors(**{**floors, **{name: dict(floors.get(name, ())) for name in offsets}})


def _pairs(offsets: Mapping[int, int]) -> list[list[object]]:
    return [[integer(partition), integer(offset)] for partition, offset in offsets.items()]


def _plain(value: Any) -> Any:
    """The same without the driver's own type for whole numbers."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, Int64) else value


def _integer_or_none(value: int | None) -> object:
    return None if value is None else integer(value)
