# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""Where texts stand in the tables of a store, whatever the table is for."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import polars as pl

from rtcdp.store.postgres.address import parse_address
from rtcdp.store.postgres.connection import ANSWER_TIMEOUT_S
from rtcdp.store.postgres.schema import PostgresReader
from rtcdp.store.sql.statements import one_row, quote

FOUND_MAX = 1_000
"""So many values of a column are looked at: whoever finds as many has found enough."""

_COLUMNS = pl.Schema({"table": pl.String(), "column": pl.String(), "kind": pl.String()})
_VALUE = pl.Schema({"value": pl.Binary()})

_ALL_COLUMNS = """
SELECT c.relname AS "table", a.attname AS "column", t.typname AS kind
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
  AND t.typname IN ('text', 'varchar', 'bpchar', 'bytea', 'json', 'jsonb')
ORDER BY 1, 2
"""


def values_with(url: str, texts: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """The values of the store's own tables that hold one of these texts, each with its table's
    name. Every table is read as a whole, in one transaction. Raises what reading the store
    raises."""
    address = parse_address(url)
    with closing(PostgresReader(address, answer_timeout_s=ANSWER_TIMEOUT_S)) as reader:
        if reader.begin() == 0:
            return
        schema = address.schema
        columns = reader.query(_ALL_COLUMNS, _COLUMNS, one_row(schema)).rows()
        for table, column, kind in columns:
            named = quote(column)
            value = named if kind == "bytea" else f"convert_to({named}::text, 'UTF8')"
            place = f"{quote(schema)}.{quote(table)}"
            for text in texts:
                found = reader.query(
                    f"SELECT {value} AS value FROM {place}"
                    f" WHERE position($1::bytea IN {value}) > 0 LIMIT {FOUND_MAX}",
                    _VALUE,
                    pl.DataFrame({"text": [text]}, {"text": pl.Binary()}),
                )
                yield from ((table, each) for each in found["value"])
        reader.commit()
