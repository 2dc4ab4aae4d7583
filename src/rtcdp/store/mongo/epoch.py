"""An epoch as a plan: whether it may be applied, what it changes, and what the head says then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.definitions import BUCKET_START, MERGES
from rtcdp.store.contract import Progress, RowsRefused
from rtcdp.store.epoch import Epoch, EpochSpan, Erasure, RowChanges, TableChange
from rtcdp.store.mongo.head import COUNTS, Definition, Head, Kept, LastSpan, State
from rtcdp.store.mongo.layout import LEDGER, SPANS, Values, layout_of
from rtcdp.store.mongo.plan import Plan, PlannedChange, PlannedErasure, PlannedRows
from rtcdp.store.mongo.readable import kept_after, readable_after, recent_after
from rtcdp.store.row_changes import fitted_rows
from rtcdp.store.rules import (
    SPAN_AGE_MS_MAX,
    SPAN_RECORDS_MAX,
    check_balance,
    check_follows,
    check_prepared,
    fitted,
)

RAW_BYTES_MAX = 15 * 2**20


INTEGER_MAX = 2**63 - 1


@dataclass(frozen=True)
class Step:
    """A plan, the state that the head has when it was carried out, and the older states that are
    `kept`. Where sums might grow beyond 64 bits, rows are `to_be_checked` before it is decided."""

    plan: Plan
    after: State
    kept: tuple[Kept, ...] = ()
    to_be_checked: tuple[PlannedChange, ...] = ()


def plan_epoch(head: Head, epoch: Epoch, prepared: Mapping[str, str] | None) -> Step:
    """What applying an epoch means. `prepared` are the fingerprints by metric that the writer works
    with.

    Raises `EpochRefused`, `EpochUnbalanced`, `StateMismatch`, and `RowsRefused`.
    """
    progress = head.state.progress
    check_follows(progress, epoch)
    check_definitions(head.state.definitions, prepared, (*epoch.changes, *epoch.rows))
    check_balance(epoch)
    ledger = fitted(epoch.ledger, LEDGER_SCHEMA)
    uncounted = fitted(epoch.uncounted, UNCOUNTED_SCHEMA)
    _check_sizes(uncounted)
    kept = kept_after(head, epoch.committed_at)
    spans = _joined_spans(head.state.last_spans, epoch)
    plan = Plan(
        revision=head.revision + 1,
        readable=readable_after(head, kept, epoch.committed_at),
        changes=planned(head, epoch.changes),
        ledger=fitted(ledger, LEDGER.schema),
        spans=pl.DataFrame(
            [tuple(vars(span).values()) for span in spans], SPANS.schema, orient="row"
        ),
        uncounted=uncounted,
        rows=planned_rows(head, epoch.rows),
        at=epoch.committed_at,
        erasure=planned_erasure(head, epoch.erasure),
    )
    definitions, to_be_checked = with_sums(head.state.definitions, plan.changes)
    counted = {name: int(ledger[name].sum()) for name in COUNTS}
    newest = {span.partition: span for span in (*head.state.last_spans, *spans)}
    after = replace(
        head.state,
        progress=_advanced(progress, epoch),
        definitions=definitions,
        totals={name: head.state.totals[name] + count for name, count in counted.items()},
        last_spans=tuple(newest.values()),
        recent=recent_after(head, epoch.committed_at),
    )
    return Step(plan, after, kept, to_be_checked)


def planned(head: Head, changes: Sequence[TableChange]) -> tuple[PlannedChange, ...]:
    """The changes that hold anything, for the tables as they are defined now."""
    since = head.since
    fitting = [
        PlannedChange(
            change.table,
            since.get(change.table.name, 0),
            fitted(change.rows, layout_of(change.table).schema),
        )
        for change in changes
        if not change.rows.is_empty()
    ]
    for change in fitting:
        _refuse_unfit(change)
    return tuple(fitting)


def planned_erasure(head: Head, erasure: Erasure | None) -> PlannedErasure | None:
    """What an erasure takes out of the tables as they are defined now."""
    if erasure is None:
        return None
    return PlannedErasure(
        erasure.user, planned(head, erasure.removed), tuple(erasure.acknowledgements)
    )


def planned_rows(head: Head, changes: Sequence[RowChanges]) -> tuple[PlannedRows, ...]:
    """The changes of row tables that hold anything, for the tables as they are defined now. Raises
    `RowsRefused`."""
    since = head.since
    return tuple(
        PlannedRows(each.table, since.get(each.table.name, 0), each.delete, each.replace)
        for each in fitted_rows(changes)
    )


def with_sums(
    definitions: Sequence[Definition], changes: Sequence[PlannedChange]
) -> tuple[tuple[Definition, ...], tuple[PlannedChange, ...]]:
    """The definitions with their `sum_max` after these changes, and those changes for which that
    does not show that all sums fit."""
    largest: dict[str, int] = {}
    for change in changes:
        metric = change.table.metric
        largest[metric] = max(largest.get(metric, 0), _largest_addend(change))
    after = tuple(
        replace(each, sum_max=min(each.sum_max + largest.get(each.name, 0), INTEGER_MAX))
        for each in definitions
    )
    full = {each.name for each in after if each.sum_max == INTEGER_MAX}
    return after, tuple(change for change in changes if change.table.metric in full)


def check_definitions(
    definitions: Sequence[Definition],
    prepared: Mapping[str, str] | None,
    changes: Sequence[TableChange | RowChanges],
) -> None:
    """Raises what `check_prepared` does, of the definitions that the store has."""
    active = {each.name: each.fingerprint for each in definitions if each.is_active}
    check_prepared(active, prepared, changes)


def _refuse_unfit(change: PlannedChange) -> None:
    layout = layout_of(change.table)
    added = (column.name for column in change.table.columns if MERGES[column.merge].is_never_null)
    for name in (*layout.place_names, *added):
        if change.rows[name].null_count():
            raise RowsRefused(
                f"a row of {change.table.name} has no {name}",
                "this is a defect of the engine; report it with this message",
            )
    last = change.rows[BUCKET_START].max()
    if isinstance(last, int) and last > INTEGER_MAX - change.table.bucket_ms:
        raise RowsRefused(
            f"a window of {change.table.name} ends after the end of time",
            "this is a defect of the engine; report it with this message",
        )


def _largest_addend(change: PlannedChange) -> int:
    added = [column.name for column in change.table.columns if column.merge == "add"]
    extremes = (
        abs(int(extreme))
        for name in added
        for extreme in (change.rows[name].min(), change.rows[name].max())
        if isinstance(extreme, int)
    )
    return max(extremes, default=0)


def _check_sizes(uncounted: pl.DataFrame) -> None:
    largest = uncounted["raw"].bin.size().max()
    if isinstance(largest, int) and largest > RAW_BYTES_MAX:
        raise RowsRefused(
            f"a record of {largest:,} bytes was not counted, and can't be kept in MongoDB",
            "limit the size of messages on the topic, or use a store on PostgreSQL or SQLite",
        )


def _advanced(progress: Progress, epoch: Epoch) -> Progress:
    newest = dict(progress.max_received_at)
    for partition in epoch.next_offsets:
        if partition in epoch.max_received_at:
            received_at = epoch.max_received_at[partition]
            newest[partition] = max(newest.get(partition, received_at), received_at)
    return Progress(
        epoch=epoch.number,
        next_offsets={**progress.next_offsets, **epoch.next_offsets},
        max_received_at=newest,
        committed_at=epoch.committed_at,
        engine=epoch.engine,
        log_id=epoch.log_id or progress.log_id,
        remembered_from=_later(progress.remembered_from, epoch.remembered_from),
        decided_from={
            **{span.partition: span.first_offset for span in epoch.spans},
            **progress.decided_from,
        },
        marks={**progress.marks, **epoch.marks},
    )


def _later(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    """The larger offset of both, by partition."""
    return {p: max(one.get(p, 0), other.get(p, 0)) for p in {**one, **other}}


def _joined_spans(last_spans: Sequence[LastSpan], epoch: Epoch) -> list[LastSpan]:
    """The epoch's spans, each joined to the last one of its partition while that is short and
    young, so that an idle system doesn't fill the store with them."""
    last = {span.partition: span for span in last_spans}
    joined: dict[int, LastSpan] = {}
    for span in epoch.spans:
        before = joined.get(span.partition, last.get(span.partition))
        joined[span.partition] = _joined(before, span, epoch.committed_at)
    return list(joined.values())


def _joined(before: LastSpan | None, span: EpochSpan, committed_at: int) -> LastSpan:
    if (
        before is None
        or before.next_offset != span.first_offset
        or span.next_offset - before.first_offset > SPAN_RECORDS_MAX
        or committed_at - before.committed_at >= SPAN_AGE_MS_MAX
    ):
        return LastSpan(**vars(span), committed_at=committed_at)
    # A joined span is merged into the document of the one before, by the rules of its columns.
    values = SPANS.merged(_values(before), (span.next_offset, *_event_times(span), committed_at))
    return LastSpan(before.partition, before.first_offset, *values)  # type: ignore[arg-type]


def _values(span: LastSpan) -> Values:
    return (span.next_offset, *_event_times(span), span.committed_at)


def _event_times(span: LastSpan | EpochSpan) -> tuple[int | None, int | None]:
    return (span.min_event_time, span.max_event_time)
