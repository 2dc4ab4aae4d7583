"""Epochs that balance, for testing stores without an engine."""

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.definitions import BUCKET_START, RowTable, RowType, Table
from rtcdp.store import Epoch, EpochSpan, RowChanges, TableChange

MINUTE_MS = 60_000
_FRAME_TYPES: Mapping[RowType, type[pl.DataType]] = {
    "text": pl.String,
    "integer": pl.Int64,
    "real": pl.Float64,
    "bytes": pl.Binary,
}


def rows_of(table: Table, *rows: Sequence[object]) -> pl.DataFrame:
    """Rows of a table, each with values in the order of `table.column_names`."""
    types: dict[str, type[pl.DataType]] = {BUCKET_START: pl.Int64}
    types.update(dict.fromkeys(table.key, pl.String))
    if table.member is not None:
        types[table.member[0]] = _FRAME_TYPES[table.member[1]]
    types.update((column.name, _FRAME_TYPES[column.type]) for column in table.columns)
    return pl.DataFrame(list(rows), types, orient="row")


def change(table: Table, *rows: Sequence[object]) -> TableChange:
    """A change of a table; see `rows_of`."""
    return TableChange(table, rows_of(table, *rows))


def row_changes(
    table: RowTable, delete: Sequence[Sequence[object]] = (), put: Sequence[Sequence[object]] = ()
) -> RowChanges:
    """Changes of a row table: keys of rows to delete, in the order of `table.primary_key`, and
    rows to replace, in that of `table.column_names`."""
    types = dict(table.columns)
    key = {name: _FRAME_TYPES[types[name]] for name in table.primary_key}
    whole = {name: _FRAME_TYPES[kind] for name, kind in table.columns}
    return RowChanges(
        table,
        pl.DataFrame(list(delete), key, orient="row"),
        pl.DataFrame(list(put), whole, orient="row"),
    )


def uncounted_of(*records: Mapping[str, object]) -> pl.DataFrame:
    """Uncounted records; what is not given is that of a dead letter without event."""
    common = {"source": "default", "verdict": "dead_letter", "received_at": 0, "partition": 0}
    return pl.DataFrame([{**common, **record} for record in records], UNCOUNTED_SCHEMA)


class EpochMaker:
    """Makes epochs that follow each other on one partition."""

    def __init__(self, partition: int = 0, number: int = 0, next_offset: int = 0) -> None:
        self.number = number
        self.next_offset = next_offset
        self._partition = partition

    def make(
        self,
        *changes: TableChange,
        admitted: int = 1,
        uncounted: Sequence[Mapping[str, object]] = (),
        source: str = "default",
        received_at: int = 0,
        event_times: tuple[int, int] | None = None,
    ) -> Epoch:
        """The next epoch: `admitted` counted records and the uncounted ones, all taken in at
        `received_at` from `source` and with event times in the given range, if any."""
        self.number += 1
        first = self.next_offset
        self.next_offset += admitted + len(uncounted)
        dropped = [
            {
                "partition": self._partition,
                "offset": first + admitted + position,
                "source": source,
                "received_at": received_at,
                **record,
            }
            for position, record in enumerate(uncounted)
        ]
        span = EpochSpan(self._partition, first, self.next_offset, *(event_times or (None, None)))
        return Epoch(
            number=self.number,
            spans=(span,),
            changes=changes,
            ledger=_ledger(source, received_at, admitted, dropped),
            uncounted=uncounted_of(*dropped),
            max_received_at={self._partition: received_at},
            committed_at=received_at,
        )


def _ledger(
    source: str, received_at: int, admitted: int, dropped: Sequence[Mapping[str, object]]
) -> pl.DataFrame:
    verdicts = Counter(record.get("verdict", "dead_letter") for record in dropped)
    row = {
        "source": source,
        "minute": received_at // MINUTE_MS * MINUTE_MS,
        "received": admitted + len(dropped),
        "admitted": admitted,
        "duplicate": verdicts["duplicate"],
        "late": verdicts["late"],
        "dead_letter": verdicts["dead_letter"],
        "conflict": 0,
        "erased": verdicts["erased"],
    }
    return pl.DataFrame([row], LEDGER_SCHEMA)
