# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""Where texts stand in the tables of a store, whatever the table is for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing

import polars as pl

from rtcdp.store.postgres.address import parse_address
from rtcdp.store.postgres.connection import ANSWER_TIMEOUT_S
from rtcdp.store.postgres.schema import PostgresReader
from rtcdp.store.sql.statements import one_row, quote

SLICE_BLOCKS = 2_000
"""So many of the server's blocks, usually 16 MB, are searched by one statement: whoever waits hears
of it long before a server counts as silent."""

RANGES_FROM = 140_000
"""The first version that finds the rows between two places without reading the whole table."""

_COLUMNS = pl.Schema(
    {
        "table": pl.String(),
        "column": pl.String(),
        "kind": pl.String(),
        "blocks": pl.Int64(),
        "all_blocks": pl.Int64(),
    }
)
_VALUE = pl.Schema({"value": pl.Binary()})

# A table in parts has no rows of its own.
_ALL_COLUMNS = """
SELECT c.relname AS "table", a.attname AS "column", t.typname AS kind,
  pg_relation_size(c.oid) / current_setting('block_size')::bigint AS blocks,
  pg_table_size(c.oid) / current_setting('block_size')::bigint AS all_blocks
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
  AND t.typname IN ('text', 'varchar', 'bpchar', 'bytea', 'json', 'jsonb')
ORDER BY 1, 2
"""

_IN_RANGE = "ctid >= ('(' || $1 || ',0)')::tid AND ctid < ('(' || $2 || ',0)')::tid"
_ONE_BY_ONE = (
    "ctid = ANY (ARRAY(SELECT ('(' || block || ',' || place || ')')::tid"
    " FROM generate_series($1, $2 - 1) AS block,"
    # No row takes less than 28 bytes of its block.
    " generate_series(1, current_setting('block_size')::bigint / 28) AS place))"
)


def values_with(
    url: str, texts: Sequence[bytes], on_slice: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, bytes]]:
    """The values of the store's own tables that hold any of these texts, each once, with its
    table's name. Every table is read as a whole, in one transaction, slice by slice, and `on_slice`
    is called after each. Raises what reading the store raises."""
    address = parse_address(url)
    with closing(PostgresReader(address, answer_timeout_s=ANSWER_TIMEOUT_S)) as reader:
        if reader.begin() == 0:
            return
        columns = reader.query(_ALL_COLUMNS, _COLUMNS, one_row(address.schema))
        sought = {f"text {n}": [text] for n, text in enumerate(texts)}
        within = _IN_RANGE if reader.server_version >= RANGES_FROM else _ONE_BY_ONE
        for (table,), of_table in columns.group_by("table", maintain_order=True):
            place = f"{quote(address.schema)}.{quote(str(table))}"
            sql = _search(place, within, of_table.select("column", "kind").rows(), len(texts))
            blocks, step = _slices(of_table.row(0, named=True))
            for begin in range(0, blocks, step):
                asked = {"begin": [begin], "end": [begin + step], **sought}
                found = reader.query(sql, _VALUE, pl.DataFrame(asked))
                yield from ((str(table), value) for value in found["value"])
                on_slice()
        reader.commit()


def _search(place: str, within: str, columns: Sequence[tuple[str, str]], text_count: int) -> str:
    values = (
        quote(column) if kind == "bytea" else f"convert_to({quote(column)}::text, 'UTF8')"
        for column, kind in columns
    )
    listed = ", ".join(f"({value})" for value in values)
    holds = " OR ".join(
        f"position(${n}::bytea IN held.value) > 0" for n in range(3, 3 + text_count)
    )
    return (
        f"SELECT held.value FROM {place} AS rows, LATERAL (VALUES {listed}) AS held (value)"
        f" WHERE {within} AND ({holds})"
    )


def _slices(table: Mapping[str, int]) -> tuple[int, int]:
    """How many blocks a table has, and how many of them are a slice: fewer where long values rest
    beside it."""
    blocks = table["blocks"]
    return blocks, max(1, SLICE_BLOCKS * blocks // max(1, table["all_blocks"]))
