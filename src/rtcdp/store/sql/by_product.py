# ruff: noqa: S608 - only quoted names and numbers are put into SQL
"""What rests of a metric that is keyed by what products are, in SQL as in `answers/enriched.py`.

A row by product and pane belongs to the version that began last at or before it. Where a version
begins inside of a pane, that product's rows by the millisecond stand in its place.
"""

from collections.abc import Iterator, Sequence

from rtcdp.definitions import BUCKET_START, WINDOW_END, Table, Window, tables_of
from rtcdp.definitions.enrichment import PRODUCT_ID, Stored
from rtcdp.definitions.products import PRODUCTS
from rtcdp.events.derived import UNKNOWN_PRODUCT
from rtcdp.store.sql.statements import Dialect, quote, stored

SHORT_TEXTS_MAX = 2
"""A key of so many texts of an event's short fields fits every database's indexes."""

_START = quote(BUCKET_START)
_PANE, _ROW = f"p.{_START}", f"r.{_START}"


def attributed(dialect: Dialect, by: Stored, number: int) -> str:
    """The rows of one of the tables that the metric would rest in, in panes: of its buckets (0), or
    of a measure's members or items. Several of them may have the same key."""
    panes = tables_of(by.by_pane)[0]
    of_pane, of_moment = (tables_of(part)[number] for part in (by.by_pane, by.by_moment))
    window = by.by_pane.window
    end = f"{_PANE} + {window.pane_ms}" if isinstance(window, Window) else f"p.{quote(WINDOW_END)}"
    first_inside = f"{_versions(dialect, panes, 'p')} AND w.{quote('validFrom')} > {_PANE}"
    is_cut = f"EXISTS (SELECT 1 {first_inside} AND w.{quote('validFrom')} < {end})"
    whole = _rows(dialect, by, (panes, of_pane), f"{_ROW} = {_PANE}")
    cut = _rows(dialect, by, (panes, of_moment), f"{_ROW} >= {_PANE} AND {_ROW} < {end}")
    return f"{whole} AND NOT {is_cut} UNION ALL {cut} AND {is_cut}"


def _rows(dialect: Dialect, by: Stored, tables: tuple[Table, Table], place: str) -> str:
    panes, of_it = tables
    columns = ", ".join(_columns(dialect, by, panes, of_it))
    same = " AND ".join(
        [place, *(_same(dialect, f"r.{quote(n)}", f"p.{quote(n)}", tables) for n in panes.key)]
    )
    rows = f"{stored(dialect, panes)} AS p JOIN {stored(dialect, of_it)} AS r ON {same}"
    return f"SELECT {columns} FROM {rows} WHERE TRUE"


def _columns(dialect: Dialect, by: Stored, panes: Table, of_it: Table) -> Iterator[str]:
    yield f"{_PANE} AS {_START}"
    versions = _versions(dialect, of_it, "r")
    last = f"w.{quote('validFrom')} <= {_ROW} ORDER BY w.{quote('validFrom')} DESC LIMIT 1"
    for each in by.attributes:
        known = f"(SELECT w.{quote(each.attribute)} {versions} AND {last})"
        yield f"COALESCE({known}, '{UNKNOWN_PRODUCT}') AS {quote(each.name)}"
    taken = {each.name for each in by.attributes}
    ends = [name for name in (WINDOW_END,) if name in panes.column_names and not of_it.member]
    yield from (f"p.{quote(name)}" for name in ends)
    others = (name for name in of_it.column_names if name not in {BUCKET_START, *ends, *taken})
    yield from (f"r.{quote(name)}" for name in others)


def _versions(dialect: Dialect, of_it: Table, row: str) -> str:
    """Of the product of a row."""
    product = f"{row}.{quote(PRODUCT_ID)}"
    same = _same(dialect, f"w.{quote(PRODUCT_ID)}", product, (of_it,))
    return f"FROM {stored(dialect, PRODUCTS)} AS w WHERE {same}"


def _same(dialect: Dialect, one: str, other: str, tables: Sequence[Table]) -> str:
    """Whether two texts of keys are the same; long ones may rest in each table in another way."""
    if max(map(_texts_in, tables)) <= SHORT_TEXTS_MAX:
        return f"{one} = {other}"
    return dialect.readable.same_text(one, other)


def _texts_in(table: Table) -> int:
    return len(table.key) + (table.member is not None and table.member[1] == "text")
