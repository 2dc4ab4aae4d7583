"""Which metrics a store holds, under which definition, and how far their backfill is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rtcdp.definitions import Metric, RowTable, tables_of
from rtcdp.errors import UsageError
from rtcdp.store.contract import Progress, StateMismatch
from rtcdp.store.epoch import RowChanges, TableChange
from rtcdp.store.mongo.epoch import Step, check_definitions, planned, planned_rows, with_sums
from rtcdp.store.mongo.head import Definition, Head
from rtcdp.store.mongo.plan import Plan
from rtcdp.store.mongo.readable import kept_after, readable_after, recent_after

_KEPT_BY_DATABASES = ("sqlite_", "pg_")


@dataclass(frozen=True)
class Redefinition:
    """What preparing a store changes: its definitions, and the tables whose documents are now of
    an old one. `to_backfill` are the metrics that have missed something."""

    definitions: tuple[Definition, ...]
    emptied: tuple[str, ...]
    to_backfill: tuple[Metric, ...]


def redefine(
    head: Head, metrics: Sequence[Metric], row_tables: Sequence[RowTable] = ()
) -> Redefinition:
    """The definitions that a store has after it was prepared with `metrics` and `row_tables`.

    A metric whose definition changed starts from nothing. One that is left out keeps its tables,
    and the store remembers up to where they are complete. Raises `UsageError` when the metrics'
    names don't go together.
    """
    check_names(metrics, row_tables)
    progress = head.state.progress
    stored = {definition.name: definition for definition in head.state.definitions}
    wanted: dict[str, Metric | RowTable] = {metric.name: metric for metric in metrics}
    wanted |= {table.name: table for table in row_tables}
    emptied: list[str] = []
    after = {
        name: definition if name in wanted else _paused(definition, progress)
        for name, definition in stored.items()
    }
    for name, metric in wanted.items():
        definition = stored.get(name)
        if definition is not None and definition.fingerprint == metric.fingerprint:
            after[name] = _resumed(definition, progress, metric)
            continue
        emptied += () if definition is None else definition.tables
        after[name] = _new(
            metric,
            since=head.revision + 1,
            is_complete=progress.epoch == 0 and not _has_own_stream(metric),
        )
    return Redefinition(
        definitions=tuple(after[name] for name in sorted(after)),
        emptied=tuple(emptied),
        to_backfill=tuple(metric for metric in metrics if not after[metric.name].is_complete),
    )


def _new(metric: Metric | RowTable, *, since: int, is_complete: bool) -> Definition:
    definition = Definition(
        name=metric.name,
        fingerprint=metric.fingerprint,
        is_active=True,
        is_complete=is_complete,
        since=since,
        tables=(metric.name,),
        is_summed=True,
    )
    if isinstance(metric, RowTable):
        return replace(definition, is_rows=True, time=metric.expires_by)
    return replace(definition, tables=tuple(table.name for table in tables_of(metric)))


def backfill_offsets(definitions: Sequence[Definition], metric: str) -> Mapping[int, int] | None:
    """Where the backfill of a metric goes on; None when it is complete.

    Raises `UsageError` for a metric that was never prepared.
    """
    for definition in definitions:
        if definition.name == metric:
            return None if definition.is_complete else definition.next_offsets
    raise UsageError(f"the store has no metric {metric}", "prepare the store with it first")


def plan_backfill(
    head: Head,
    metric: str,
    changes: Sequence[TableChange | RowChanges],
    next_offsets: Mapping[int, int] | None,
    prepared: Mapping[str, str] | None,
) -> Step:
    """What a step of a backfill means; it ends it when there are no `next_offsets`.

    Raises `RowsRefused`, `StateMismatch` when the backfill was complete already, or a change is for
    another metric, and `EpochRefused` when another process has prepared the store otherwise.
    """
    check_definitions(head.state.definitions, prepared, changes)
    others = {change.definition for change in changes} - {metric}
    if others or backfill_offsets(head.state.definitions, metric) is None:
        raise StateMismatch(
            f"a step of a backfill does not fit: {metric} "
            + (f"is not {', '.join(sorted(others))}" if others else "is complete"),
            "ask the store for the offsets to go on from, and backfill one metric at a time",
        )
    now_ms = head.state.progress.committed_at
    kept = kept_after(head, now_ms)
    plan = Plan(
        revision=head.revision + 1,
        readable=readable_after(head, kept, now_ms),
        changes=planned(head, [each for each in changes if isinstance(each, TableChange)]),
        rows=planned_rows(head, [each for each in changes if isinstance(each, RowChanges)]),
        at=now_ms,
    )
    definitions, to_be_checked = with_sums(head.state.definitions, plan.changes)
    definitions = tuple(
        replace(
            each,
            is_active=each.is_active or next_offsets is None,
            is_complete=next_offsets is None,
            next_offsets=next_offsets or {},
        )
        if each.name == metric
        else each
        for each in definitions
    )
    recent = recent_after(head, now_ms)
    after = replace(head.state, definitions=definitions, recent=recent)
    return Step(plan, after, kept, to_be_checked)


def plan_completeness(head: Head, metric: str, complete_from: int) -> Step:
    """What remembering from where on a metric's windows are whole means; it is never earlier than
    what is remembered already."""
    now_ms = head.state.progress.committed_at
    kept = kept_after(head, now_ms)
    plan = Plan(head.revision + 1, readable_after(head, kept, now_ms))
    definitions = tuple(
        replace(each, complete_from=max(complete_from, each.complete_from or complete_from))
        if each.name == metric
        else each
        for each in head.state.definitions
    )
    recent = recent_after(head, now_ms)
    return Step(plan, replace(head.state, definitions=definitions, recent=recent), kept)


def check_names(metrics: Sequence[Metric], row_tables: Sequence[RowTable] = ()) -> None:
    """Raises `UsageError` when two tables or two fields would have the same name, or a name that
    one of the databases keeps to itself: a catalog fits every store or none."""
    seen: set[str] = set()
    wanted: list[Metric | RowTable] = [*metrics, *row_tables]
    for metric in wanted:
        if metric.name.startswith(_KEPT_BY_DATABASES):
            raise UsageError(
                f"metric {metric.name} has a name that databases keep to themselves",
                f"let it begin with another word than {' or '.join(_KEPT_BY_DATABASES)}",
            )
        made_of = () if isinstance(metric, RowTable) else tables_of(metric)
        tables = [table.name for table in made_of]
        names = {metric.name, *tables}
        if names & seen or len(set(tables)) < len(tables):
            raise UsageError(
                f"two tables would be called {min(names & seen or set(tables))}",
                "rename one of the metrics, or the measure that is named after the table",
            )
        seen |= names
        if isinstance(metric, RowTable):
            continue
        fields = [*metric.key_names, *(measure.name for measure in metric.measures)]
        if len({field.lower() for field in fields}) < len(fields):
            raise UsageError(
                f"metric {metric.name} has a measure with the name of a key field",
                "rename the measure",
            )


def _paused(definition: Definition, progress: Progress) -> Definition:
    if not definition.is_active:
        return definition
    offsets = progress.next_offsets if definition.is_complete else definition.next_offsets
    return replace(definition, is_active=False, is_complete=False, next_offsets=offsets)


def _has_own_stream(metric: Metric | RowTable) -> bool:
    return isinstance(metric, RowTable) and bool(metric.stream)


def _resumed(definition: Definition, progress: Progress, metric: Metric | RowTable) -> Definition:
    if definition.is_active:
        return definition
    if definition.next_offsets == progress.next_offsets and not _has_own_stream(metric):
        return replace(definition, is_active=True, is_complete=True, next_offsets={})
    return replace(definition, is_active=True)
