"""The erasure of a user: what is known of them, and the epoch that takes all of it out.

The rule. Everything that names the user goes: their records in the log, their rows of folds and
timelines, their rows of metrics by user, their late events, duplicates and dead letters. Counts
that name nobody are computed anew from what is left of the log, as if the user had never been;
those of windows that begin before what the log still holds can't be, and stay as they are, without
a name, and so do those that had events which the disk has damaged since, or that are kept for no
longer. The ledger moves the
user's records to `erased`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from secrets import token_bytes
from typing import Any

import msgspec
import polars as pl

from rtcdp.admission.batch import ADMITTED, DecodedBatch
from rtcdp.admission.erased import ErasedUser
from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.clock import EARLIEST_MS, LATEST_MS, MINUTE_MS
from rtcdp.definitions import BUCKET_START, MEMBER, Metric, RowTable, Table, fields_of, tables_of
from rtcdp.engines.decided import decided_batches, readable_from
from rtcdp.engines.merging import merge_rows
from rtcdp.engines.native.lowering import changes_of
from rtcdp.engines.native.recovery import rounds_between
from rtcdp.engines.native.user_rows import (
    groups_of,
    is_counted_among_members,
    member_of,
    named_rows,
    rows_of_groups,
    without_name,
)
from rtcdp.engines.notices import NOTICES, without_user
from rtcdp.engines.resume import records_between
from rtcdp.log.aged import aged_of
from rtcdp.log.contract import LogReader, RawRecord
from rtcdp.log.named import is_of_user
from rtcdp.store import (
    Epoch,
    Erasure,
    Progress,
    RowChanges,
    Store,
    StoreSnapshot,
    TableChange,
    UncountedScan,
)

USER = "userId"
_PAGE = 1_000

Place = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True)
class Known:
    """A record that is known of a user. `verdict` is empty where nobody knows any more what was
    decided of it."""

    place: Place
    source: str
    received_at: int
    verdict: str
    reason: str | None = None
    stands_for: int = 1


@dataclass
class Traces:
    """What log and store know of a user: records by their place, their admitted events, and
    what these brought to each metric's table. `damaged` records of the log, whoever's they are,
    can't be read; `lost_at` (UTC ms) is when the last of those came in that counted once."""

    records: dict[Place, Known] = field(default_factory=dict)
    brought: defaultdict[str, list[pl.DataFrame]] = field(default_factory=lambda: defaultdict(list))
    damaged: int = 0
    lost_at: int | None = None

    @property
    def counts(self) -> Counter[str]:
        """Records by verdict."""
        return Counter(known.verdict for known in self.records.values() if known.verdict)


@dataclass(frozen=True)
class Parts:
    """What an erasure works on: a store that follows a log, with these metrics and row tables in
    it, how much of the log is read at once, and where random bytes come from."""

    log: LogReader
    store: Store
    metrics: Sequence[Metric]
    row_tables: Sequence[RowTable]
    folds: Sequence[str]
    batch_bytes: int
    on_slice: Callable[[], None] = lambda: None
    randomness: Callable[[int], bytes] = token_bytes


def traces_of(parts: Parts, user_id: str) -> Traces:
    """Look through the log and the uncounted records for a user. Reads the whole log."""
    traces = Traces()
    progress = parts.store.progress()
    with parts.store.snapshot() as snapshot:
        for row in uncounted_of(snapshot, user_id):
            place = row["partition"], row["offset"]
            traces.records[place] = Known(
                place, row["source"], row["received_at"], row["verdict"], row["reason"]
            )
    odd = _in_log(parts, progress, user_id, traces)
    for record in odd:
        place = record.partition, record.offset
        before = traces.records.get(place)
        verdict = "" if before is None else before.verdict
        reason = None if before is None else before.reason
        traces.records[place] = Known(
            place, record.source, record.received_at, verdict, reason, record.stands_for
        )
    return traces


def erasing_epoch(parts: Parts, user: ErasedUser, user_id: str, traces: Traces) -> Epoch:
    """The epoch that takes a user out of the store."""
    progress = parts.store.progress()
    tables = {table.name: table for metric in parts.metrics for table in tables_of(metric)}
    touched = {name: groups_of(tables[name], rows) for name, rows in traces.brought.items() if rows}
    with parts.store.snapshot() as snapshot:
        whole_from = _whole_from(parts.log, progress, snapshot, traces.lost_at)
        anew = {
            name: groups.filter(pl.col(BUCKET_START) >= whole_from)
            for name, groups in touched.items()
        }
        removed = [
            change
            for metric in parts.metrics
            for change in _removed(snapshot, metric, user_id, anew)
        ]
        nameless = list(_nameless(parts, user_id, removed, anew))
        rows = _row_changes(snapshot, parts, user_id, progress.epoch + 1)
        floor = snapshot.floors.uncounted_from
        seen = _alarms_seen(snapshot, parts.metrics, user_id)
    records = list(traces.records.values())
    return Epoch(
        number=progress.epoch + 1,
        spans=(),
        changes=_together(_counted_anew(parts, progress, traces, anew), nameless),
        ledger=_moved(records, floor),
        uncounted=_standing_in(records),
        committed_at=user.erased_at,
        rows=tuple(rows),
        erasure=Erasure(user, tuple(removed), tuple(seen)),
    )


def _in_log(parts: Parts, progress: Progress, user_id: str, traces: Traces) -> list[RawRecord]:
    """Note the user's events that the log holds; returns the odd records that name the user."""
    found: list[RawRecord] = []
    fields = tuple(dict.fromkeys((*fields_of(parts.metrics), USER)))
    starts = {p: parts.log.extent(p).first_offset for p in progress.next_offsets}
    rounds = partial(rounds_between, round_bytes=parts.batch_bytes)
    batches = decided_batches(parts.log, parts.store, starts, progress.next_offsets, fields, rounds)
    for decided in batches:
        parts.on_slice()
        for piece in decided.pieces:
            traces.damaged += sum(record.is_corrupt for record in piece.odd)
            found += [record for record in piece.odd if _is_theirs(record, user_id)]
        traces.lost_at = _later(traces.lost_at, _lost_at(decided, progress))
        is_theirs = (decided.events[USER] == user_id).fill_null(False).to_numpy()
        if not is_theirs.any():
            continue
        sources = decided.events["source"].to_list()
        for row in is_theirs.nonzero()[0].tolist():
            place = int(decided.partitions[row]), int(decided.offsets[row])
            is_decided = place[1] >= progress.decided_from.get(place[0], 0)
            is_admitted = is_decided and decided.verdicts[row] == ADMITTED
            traces.records.setdefault(
                place,
                Known(
                    place,
                    sources[row],
                    int(decided.received_at[row]),
                    "admitted" if is_admitted else "",
                ),
            )
        admitted = decided.events.filter(is_theirs & (decided.verdicts == ADMITTED))
        for change in changes_of(parts.metrics, admitted):
            traces.brought[change.table.name].append(change.rows)
    return found


def _is_theirs(record: RawRecord, user_id: str) -> bool:
    """Of a damaged record nobody can tell."""
    return not (record.is_erased or record.is_corrupt) and is_of_user(record.raw, user_id)


def _lost_at(decided: DecodedBatch, progress: Progress) -> int | None:
    """When the last of those records came in that counted once, and can't be read any more."""
    return max(
        (
            record.received_at or progress.max_received_at.get(record.partition, 0)
            for record, _ in decided.rejected
            if not record.is_erased
            and record.offset >= progress.decided_from.get(record.partition, 0)
        ),
        default=None,
    )


def _later(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)


def uncounted_of(snapshot: StoreSnapshot, user_id: str) -> Iterator[dict[str, Any]]:
    """The uncounted records of a user, and the dead letters that name them."""
    theirs = UncountedScan(user_id=user_id, limit=_PAGE)
    letters = UncountedScan(verdict="dead_letter", limit=_PAGE)
    for scan, is_all in ((theirs, True), (letters, False)):
        for row in _pages(snapshot, scan):
            if is_all or is_of_user(row["raw"] or b"", user_id):
                yield row


def _pages(snapshot: StoreSnapshot, scan: UncountedScan) -> Iterator[dict[str, Any]]:
    after: tuple[int, int, int] | None = None
    while True:
        page = snapshot.uncounted(UncountedScan(**{**vars(scan), "after": after}))
        yield from page.iter_rows(named=True)
        if page.height < scan.limit:
            return
        after = page.select("received_at", "partition", "offset").row(-1)


def _whole_from(
    log: LogReader, progress: Progress, snapshot: StoreSnapshot, lost_at: int | None
) -> int:
    """Windows that begin at this time or later have all their events in the log, and readable."""
    skews = [entry.rules.max_clock_skew_ms for entry in snapshot.admission_rules()]
    skew = max(skews, default=AdmissionRules.max_clock_skew_ms)
    whole_from = EARLIEST_MS if lost_at is None else lost_at + skew + 1
    aged_until = aged_of(log).whole_from
    if aged_until is not None:
        whole_from = max(whole_from, aged_until)
    for partition, end in progress.next_offsets.items():
        first = readable_from(log, progress, partition)
        if first == 0:
            continue
        records = next(iter(records_between(log, partition, first, end)), None)
        record = None if records is None else next(records.each(), None)
        received_at = 0 if record is None else record.received_at
        # That of a record whose chunk lost its header is unknown.
        received_at = received_at or progress.max_received_at.get(partition, 0)
        whole_from = max(whole_from, received_at + skew + 1)
    return whole_from


def _removed(
    snapshot: StoreSnapshot, metric: Metric, user_id: str, anew: Mapping[str, pl.DataFrame]
) -> Iterator[TableChange]:
    """Whole rows of a metric's tables that name the user, or are to be counted anew."""
    for table in tables_of(metric):
        rows = [
            rows_of_groups(snapshot, table, anew[table.name])
            for _ in (1,)
            if table.name in anew and not anew[table.name].is_empty()
        ]
        rows += named_rows(snapshot, metric, table, user_id)
        found = pl.concat(rows).unique(table.primary_key) if rows else None
        if found is not None and not found.is_empty():
            yield TableChange(table, found)


def _nameless(
    parts: Parts, user_id: str, removed: Sequence[TableChange], anew: Mapping[str, pl.DataFrame]
) -> Iterator[TableChange]:
    """What keeps the number of users of windows that can't be counted anew, and names nobody."""
    counted = {
        table.name
        for metric in parts.metrics
        for table in tables_of(metric)
        if is_counted_among_members(metric, table)
    }
    member = member_of(user_id)
    for change in removed:
        table, rows = change.table, change.rows
        if table.name not in counted:
            continue
        theirs = rows.filter(pl.col(MEMBER) == member)
        if table.name in anew:
            theirs = theirs.join(anew[table.name], on=[BUCKET_START, *table.key], how="anti")
        if not theirs.is_empty():
            yield TableChange(table, without_name(table, theirs, parts.randomness))


def _together(
    anew: Iterator[TableChange], others: Sequence[TableChange]
) -> tuple[TableChange, ...]:
    """Each table once."""
    rows: dict[Table, list[pl.DataFrame]] = {}
    for change in (*anew, *others):
        rows.setdefault(change.table, []).append(change.rows)
    return tuple(TableChange(table, pl.concat(frames)) for table, frames in rows.items())


def _alarms_seen(
    snapshot: StoreSnapshot, metrics: Sequence[Metric], user_id: str
) -> list[tuple[str, int]]:
    """Series and window of the user's alarms that somebody has acknowledged: each names the metric
    and then its key."""
    by_user = {metric.name for metric in metrics if USER in metric.key_columns}
    found = []
    for seen in snapshot.acknowledgements(EARLIEST_MS, LATEST_MS):
        metric, *key = msgspec.json.decode(seen.series)
        if metric in by_user and user_id in key:
            found.append((seen.series, seen.window_start))
    return found


def _row_changes(
    snapshot: StoreSnapshot, parts: Parts, user_id: str, epoch: int
) -> Iterator[RowChanges]:
    """The rows of folds and timelines go; nobody is told by name."""
    gone: dict[str, int] = {}
    for table in parts.row_tables:
        if table.group_key != (USER,):
            continue
        rows = snapshot.rows(table, pl.DataFrame({USER: [user_id]}))
        if rows.is_empty():
            continue
        if table.name in parts.folds:
            gone[table.name] = rows.height
        yield RowChanges(table, rows.select(table.primary_key), rows.clear(), rows)
    if parts.folds:
        notices = without_user(snapshot, user_id, gone, epoch)
        if not notices.is_empty():
            yield RowChanges(NOTICES, notices.select(NOTICES.primary_key).clear(), notices)


def _counted_anew(
    parts: Parts, progress: Progress, traces: Traces, anew: Mapping[str, pl.DataFrame]
) -> Iterator[TableChange]:
    """What everybody else brings to the groups that the user had a part in."""
    wanted = {name: groups for name, groups in anew.items() if not groups.is_empty()}
    if not wanted:
        return
    tables = {table.name: table for metric in parts.metrics for table in tables_of(metric)}
    metrics = [m for m in parts.metrics if any(t.name in wanted for t in tables_of(m))]
    starts = {p: readable_from(parts.log, progress, p) for p in progress.next_offsets}
    gone = pl.DataFrame(
        list(traces.records), {"partition": pl.Int64, "offset": pl.Int64}, orient="row"
    )
    found: defaultdict[str, list[pl.DataFrame]] = defaultdict(list)
    rounds = partial(rounds_between, round_bytes=parts.batch_bytes)
    batches = decided_batches(
        parts.log, parts.store, starts, progress.next_offsets, fields_of(metrics), rounds
    )
    for decided in batches:
        parts.on_slice()
        places = pl.DataFrame({"partition": decided.partitions, "offset": decided.offsets})
        is_left = (
            ~places.join(
                gone.with_columns(gone=pl.lit(True)),
                on=["partition", "offset"],
                how="left",
                maintain_order="left",
            )["gone"]
            .fill_null(False)
            .to_numpy()
        )
        others = decided.events.filter(is_left & (decided.verdicts == ADMITTED))
        for change in changes_of(metrics, others):
            name = change.table.name
            if name in wanted:
                group = [BUCKET_START, *change.table.key]
                rows = change.rows.join(wanted[name], on=group, how="semi")
                found[name].append(rows)
    for name, parts_of_it in found.items():
        table: Table = tables[name]
        merged = merge_rows(pl.concat(parts_of_it).lazy(), table).select(table.column_names)
        yield TableChange(table, merged.sort(table.primary_key).collect())


def _moved(records: Sequence[Known], floor: int | None) -> pl.DataFrame:
    """Ledger rows that move what was counted to `erased`. Minutes that retention has deleted keep
    what they count in the totals."""
    moved: defaultdict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for known in records:
        minute = known.received_at // MINUTE_MS * MINUTE_MS
        is_expired = floor is not None and 0 < minute < floor
        if known.verdict in ("", "erased") or is_expired:
            continue
        counts = moved[known.source, minute]
        counts[known.verdict] -= known.stands_for
        counts["conflict"] -= known.reason == "conflict"
        counts["erased"] += known.stands_for
    return pl.DataFrame(
        [
            {"source": source, "minute": minute, "received": 0}
            | {name: counts[name] for name in LEDGER_SCHEMA.names()[3:]}
            for (source, minute), counts in sorted(moved.items())
        ],
        LEDGER_SCHEMA,
    )


def _standing_in(records: Sequence[Known]) -> pl.DataFrame:
    """What stands for the records from now on."""
    return pl.DataFrame(
        [
            {
                "partition": known.place[0],
                "offset": known.place[1],
                "source": known.source,
                "received_at": known.received_at,
                "verdict": "erased",
            }
            for known in sorted(records, key=lambda known: known.place)
        ],
        UNCOUNTED_SCHEMA,
    )
