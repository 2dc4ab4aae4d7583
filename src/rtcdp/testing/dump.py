"""A store's whole content in a form that can be compared, whatever the store, log and engine."""

from collections.abc import Sequence

import polars as pl

from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.definitions import Fold, Metric, RowTable, tables_of
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.folds.timeline import events_in, timelines_of
from rtcdp.store import Store, UncountedScan

LEDGER, UNCOUNTED = "ledger", "uncounted"

_EVERYTHING = 2**31
_WHERE_IT_LAY = frozenset({"partition", "offset"})
"""Another log has another place for the same record."""


def dump(
    store: Store,
    metrics: Sequence[Metric],
    row_tables: Sequence[RowTable] = (),
    folds: Sequence[Fold] = (),
) -> dict[str, pl.DataFrame]:
    """What `content` gives, the `row_tables` as they are, and under `LEDGER` and `UNCOUNTED` what
    became of the records; all sorted. Two stores have counted the same exactly if their dumps are
    equal."""
    tables = content(store, metrics, folds)
    tables |= {table.name: store.dump(table) for table in row_tables}
    with store.snapshot() as snapshot:
        ledger = snapshot.ledger(limit=_EVERYTHING)
        uncounted = snapshot.uncounted(UncountedScan(limit=_EVERYTHING))
    columns = [name for name in UNCOUNTED_SCHEMA if name not in _WHERE_IT_LAY]
    return {
        **tables,
        LEDGER: ledger.select(LEDGER_SCHEMA.names()).sort("source", "minute"),
        UNCOUNTED: uncounted.select(columns).sort(pl.all()),
    }


def content(
    store: Store, metrics: Sequence[Metric], folds: Sequence[Fold] = ()
) -> dict[str, pl.DataFrame]:
    """Every table of `metrics`, the rows of `folds`, and the events that their timelines tell, by
    the names of the tables; all sorted. In which chunks a timeline rests tells nothing."""
    tables = {
        table.name: store.dump(table)
        for metric in stored_metrics(metrics)
        for table in tables_of(metric)
    }
    tables |= {fold.name: store.dump(fold.table) for fold in folds}
    for telling in timelines_of(folds):
        chunks = store.dump(telling.table)
        tables[telling.table.name] = events_in(chunks, telling.table, telling.fields)
    return tables


def differing(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> list[str]:
    """The names under which two dumps are not equal."""
    names = sorted(one.keys() | other.keys())
    return [
        name
        for name in names
        if name not in one or name not in other or not one[name].equals(other[name])
    ]
