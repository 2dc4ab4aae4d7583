# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""Which alarms somebody has seen, in a SQL store.

A series is found by a mark of its name: names are as long as keys are, and an index takes less.
"""

from collections.abc import Sequence
from hashlib import sha256

import polars as pl

from rtcdp.store.contract import Acknowledgement
from rtcdp.store.sql.statements import Dialect, SqlConnection, names, one_row

_SCHEMA = pl.Schema(
    {
        "series": pl.String(),
        "window_start": pl.Int64(),
        "seen_by": pl.String(),
        "seen_at": pl.Int64(),
        "note": pl.String(),
    }
)
_COLUMNS = ("mark", *_SCHEMA)
_REPLACED = ("seen_by", "seen_at", "note")


def acknowledgement_tables(dialect: Dialect) -> tuple[str, ...]:
    """What a version adds to the store's own tables: who has seen which alarm."""
    integer, text = dialect.types["integer"], dialect.types["text"]
    return (
        f"CREATE TABLE _acknowledgements (mark {text} NOT NULL, series {text} NOT NULL,"
        f" window_start {integer} NOT NULL, seen_by {text} NOT NULL, seen_at {integer} NOT NULL,"
        f" note {text} NOT NULL, PRIMARY KEY (window_start, mark)){dialect.table_options}",
    )


def read_acknowledgements(
    connection: SqlConnection, window_from: int, window_to: int
) -> Sequence[Acknowledgement]:
    """Those of windows that begin in the half-open range (UTC ms)."""
    p = connection.dialect.placeholder
    rows = connection.query(
        f"SELECT {names(*_SCHEMA)} FROM _acknowledgements"
        f" WHERE window_start >= {p(1)} AND window_start < {p(2)}",
        _SCHEMA,
        one_row(window_from, window_to),
    )
    return [Acknowledgement(*row) for row in rows.iter_rows()]


def put_acknowledgement(connection: SqlConnection, seen: Acknowledgement) -> None:
    """Remember one, in place of an earlier one of the same alarm."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in _REPLACED)
    connection.run(
        f"INSERT INTO _acknowledgements ({names(*_COLUMNS)})"
        f" VALUES ({connection.dialect.placeholders(len(_COLUMNS))})"
        f" ON CONFLICT (window_start, mark) DO UPDATE SET {changes}",
        one_row(_mark(seen.series), seen.series, seen.window_start, seen.by, seen.at, seen.note),
    )


def take_acknowledgement_away(connection: SqlConnection, series: str, window_start: int) -> bool:
    """Forget one. Returns whether it was there."""
    p = connection.dialect.placeholder
    deleted = connection.run(
        f"DELETE FROM _acknowledgements WHERE window_start = {p(1)} AND mark = {p(2)}",
        one_row(window_start, _mark(series)),
    )
    return deleted > 0


def _mark(series: str) -> str:
    return sha256(series.encode()).hexdigest()
