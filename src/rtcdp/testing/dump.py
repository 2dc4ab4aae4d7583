"""A store's whole content in a form that can be compared, whatever the store, log and engine."""

from collections.abc import Sequence

import polars as pl

from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.definitions import Metric, RowTable, tables_of
from rtcdp.store import Store, UncountedScan

LEDGER, UNCOUNTED = "ledger", "uncounted"

_EVERYTHING = 2**31
_WHERE_IT_LAY = frozenset({"partition", "offset"})
"""Another log has another place for the same record."""


def dump(
    store: Store, metrics: Sequence[Metric], row_tables: Sequence[RowTable] = ()
) -> dict[str, pl.DataFrame]:
    """Every table of `metrics` and every row table by name, and under `LEDGER` and `UNCOUNTED` what
    became of the records; all sorted. Two stores have counted the same exactly if their dumps are
    equal."""
    tables = {table.name: store.dump(table) for metric in metrics for table in tables_of(metric)}
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


def differing(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> list[str]:
    """The names under which two dumps are not equal."""
    names = sorted(one.keys() | other.keys())
    return [
        name
        for name in names
        if name not in one or name not in other or not one[name].equals(other[name])
    ]
