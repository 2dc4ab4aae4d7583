# ruff: noqa: S608 - only quoted names, numbers and escaped texts are put into SQL
"""What readers of SQL see of a metric: one view, with its windows, keys and measures by value.

A view is made of the metric's definition alone: what counts as final or whole is looked up by the
view itself whenever it is read, and says the same as the API.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import polars as pl

from rtcdp.clock import EARLIEST_MS
from rtcdp.definitions import (
    BUCKET_START,
    ITEM,
    ITEM_COUNT,
    MEMBER,
    MERGES,
    WINDOW_END,
    Column,
    Measure,
    Metric,
    RowTable,
    RowView,
    ShownColumn,
    SqlOf,
    Table,
    Window,
    measure_in_words,
    of_stored,
    snake_case_of,
    tables_of,
    window_in_words,
)
from rtcdp.definitions.enrichment import attributes_of, stored_as
from rtcdp.definitions.products import PRODUCTS
from rtcdp.errors import UsageError
from rtcdp.store.sql.by_product import SHORT_TEXTS_MAX, attributed
from rtcdp.store.sql.statements import Dialect, SqlConnection, names, one_row, quote, stored

IS_FINAL, IS_PARTIAL = "is_final", "is_partial"
START_MS = "window_start_ms"

_SHORT_FIELDS = frozenset({"userId", "sessionId", "eventType", "productId", "source"})

_FLOOR = f"COALESCE((SELECT instant FROM _floors WHERE name = 'buckets'), {EARLIEST_MS})"
"""What was before is deleted, or a part of it."""

_WATERMARK = (
    "(SELECT MIN(CASE WHEN until > max_received_at THEN until ELSE max_received_at END)"
    ' FROM _partitions LEFT JOIN _quiet USING ("partition"))'
    " - (SELECT allowed_lateness_ms FROM _rules ORDER BY from_epoch DESC LIMIT 1)"
)
"""What is older than this is final."""

_PARTIAL_SAYS = "Events of this {} are not in it: they are still being counted, or are gone"

_FRAME_TYPES: Mapping[str, pl.DataType] = {
    "integer": pl.Int64(),
    "real": pl.Float64(),
    "text": pl.String(),
    "list": pl.String(),
}


@dataclass(frozen=True)
class ViewColumn:
    """A column for readers: its name, the SQL that it is made of, what it says, and its type."""

    name: str
    sql: str
    says: str
    type: str


@dataclass(frozen=True)
class View:
    """A view, by the name that it is made with, and what it says."""

    name: str
    columns: tuple[ViewColumn, ...]
    rows: str
    says: str

    @property
    def select(self) -> str:
        columns = ", ".join(f"{each.sql} AS {quote(each.name)}" for each in self.columns)
        return f"SELECT {columns} FROM {self.rows}"

    @property
    def shape(self) -> str:
        """Changes when readers would have to look at it anew."""
        return _hash(*(f"{each.name} {each.type}" for each in self.columns))

    @property
    def mark(self) -> str:
        """Changes whenever anything of it does."""
        return _hash(self.select, self.says, *(each.says for each in self.columns))

    def comments(self) -> Iterator[str]:
        """The statements that say what it and its columns are."""
        yield f"COMMENT ON VIEW {self.name} IS {_text(self.says)}"
        for each in self.columns:
            yield f"COMMENT ON COLUMN {self.name}.{quote(each.name)} IS {_text(each.says)}"


def views_of(dialect: Dialect, metric: Metric, schema: str | None = None) -> tuple[View, ...]:
    """The views of a metric: where there is a `schema` for them, one in it with names in snake_case
    only, and one of the metric's plain name beside the tables."""
    rows = _rows(dialect, metric)
    columns = list(_columns(dialect, metric))
    says = _sentences(metric.title, metric.description)
    snake_case = [*_keys(dialect, metric, snake_case_of), *columns]
    as_they_came = list(_keys(dialect, metric, str))
    if schema is None:
        others = [key for key in as_they_came if key not in snake_case]
        return (View(quote(metric.name), (*snake_case, *others), rows, says),)
    # Names that stand without quotes are made small by the database.
    small = [key for key in _keys(dialect, metric, str.lower) if key not in as_they_came]
    return (
        View(f"{quote(schema)}.{quote(metric.name)}", tuple(snake_case), rows, says),
        View(quote(metric.name), (*as_they_came, *columns, *small), rows, says),
    )


def view_of_rows(dialect: Dialect, table: RowTable, schema: str | None = None) -> tuple[View, ...]:
    """The view of a row table, unless it is hidden: what its `view` shows, or all that is no bytes,
    with its time as a time; and of rows that have a view, what is open and what is whole."""
    shown = _shown_of(table)
    if not shown.columns:
        return ()
    columns = [*_columns_of_rows(dialect, table, shown)]
    if schema is None:
        columns += [
            ViewColumn(each.of_event, columns[place].sql, each.says, each.kind)
            for place, each in enumerate(shown.columns)
            if each.of_event not in ("", each.name)
        ]
    rows = f"{stored(dialect, table)} AS b"
    if table.expires_by is not None:
        rows += f" WHERE b.{quote(table.expires_by)} >= {_FLOOR}"
    place = "" if schema is None else f"{quote(schema)}."
    says = _sentences(shown.title, shown.description)
    return (View(f"{place}{quote(table.name)}", tuple(columns), rows, says),)


def _shown_of(table: RowTable) -> RowView:
    """What readers see of a row table, whether it says so or not."""
    if table.view is not None:
        return table.view
    columns = [
        ShownColumn(
            snake_case_of(name),
            "instant" if name == table.time else kind,
            f"{{{name}}}",
            f"{name}, as the rows of {table.name} have it",
        )
        for name, kind in table.columns
        if kind != "bytes"
    ]
    return RowView(f"Rows of {table.name}", "", tuple(columns))


def _columns_of_rows(dialect: Dialect, table: RowTable, shown: RowView) -> Iterator[ViewColumn]:
    kinds = dict(table.columns)

    def column(name: str) -> str:
        rests = f"b.{quote(name)}"
        return dialect.readable.full_text(rests) if kinds[name] == "text" else rests

    for each in shown.columns:
        sql = of_stored(each.sql, column)
        if each.kind == "instant":
            sql = dialect.readable.instant(sql)
        yield ViewColumn(each.name, sql, each.says, each.kind)
    if table.view is None or table.time is None:
        return
    is_open = "TRUE"
    if shown.settled is not None:
        is_open = f"COALESCE({of_stored(shown.settled, column)} > {_WATERMARK}, TRUE)"
    yield ViewColumn("is_open", is_open, "Events may still change this row", "flag")
    time = f"b.{quote(table.time)}"
    says = _PARTIAL_SAYS.format("row")
    yield ViewColumn(IS_PARTIAL, _is_partial(table.name, time), says, "flag")
    name = next(each.name for each in shown.columns if each.sql == f"{{{table.time}}}")
    says = f"{name} in UTC milliseconds: a condition on it is answered by an index"
    yield ViewColumn(f"{name}_ms", time, says, "integer")


def check_columns(metric: Metric) -> None:
    """Raises `UsageError` when two columns of the metric's view would have the same name. Names
    that differ in case only count as the same."""
    keys = [*metric.key_names, *map(snake_case_of, metric.key_names)]
    measures = [measure.name for measure in metric.measures]
    own = {START_MS, IS_FINAL, IS_PARTIAL}
    taken = {name.lower() for name in keys} | own
    for name in measures:
        if name.lower() in taken:
            what = "that views have" if name in own else "of a key field"
            raise UsageError(
                f"metric {metric.name} has a measure with the name {what}: {name}",
                "rename the measure",
            )
    if len({name.lower() for name in map(snake_case_of, metric.key_names)}) < len(metric.key_names):
        raise UsageError(
            f"metric {metric.name} has two key fields with the same name in snake_case",
            "use one of them",
        )


def make_views(connection: SqlConnection, metrics: Sequence[Metric | RowTable]) -> None:
    """Make the views of what has tables, and make those anew that have changed."""
    p = connection.dialect.placeholders
    known = {name: marks for name, *marks in _known_views(connection)}
    for leans_on, view in _wanted_views(connection, metrics):
        shape, mark = known.get(view.name, (None, None))
        if mark == view.mark:
            continue
        _make(connection, view, shape)
        connection.run(f"DELETE FROM _views WHERE name = {p(1)}", one_row(view.name))
        connection.run(
            f"INSERT INTO _views (name, metric, shape, mark) VALUES ({p(4)})",
            one_row(view.name, " ".join(leans_on), view.shape, view.mark),
        )


def drop_views(connection: SqlConnection, metric: str) -> None:
    """Drop the views that lean on what a metric, or a row table, rests in."""
    p = connection.dialect.placeholder
    found = connection.query(
        "SELECT name, metric FROM _views", pl.Schema({"name": pl.String(), "metric": pl.String()})
    )
    for name, leans_on in found.rows():
        if metric in leans_on.split():
            connection.run(f"DROP VIEW {name}")
            connection.run(f"DELETE FROM _views WHERE name = {p(1)}", one_row(name))


def readable_schema(metric: Metric) -> pl.Schema:
    """The columns of `readable_query`'s answer."""
    types: dict[str, pl.DataType] = {BUCKET_START: pl.Int64(), WINDOW_END: pl.Int64()}
    types |= {field: pl.String() for field in metric.key_names}
    types |= {m.name: _FRAME_TYPES[m.value_type] for m in _shown(metric)}
    return pl.Schema({**types, IS_FINAL: pl.Int64(), IS_PARTIAL: pl.Int64()})


def readable_query(connection: SqlConnection, metric: Metric) -> str:
    """All that the first of the metric's views says, by window and key: times in UTC milliseconds,
    flags as 0 and 1, lists as JSON, keys by the names that their fields came with."""
    dialect = connection.dialect
    view = views_of(dialect, metric, connection.readers_schema)[0]
    kinds = {BUCKET_START: "instant", WINDOW_END: "instant", IS_FINAL: "flag", IS_PARTIAL: "flag"}
    kinds |= {m.name: "list" for m in metric.measures if m.value_type == "list"}
    asked = (
        _plain(
            dialect,
            kinds.get(name),
            quote(snake_case_of(name) if name in metric.key_names else name),
        )
        for name in readable_schema(metric)
    )
    order = names(START_MS, *map(snake_case_of, metric.key_names))
    return f"SELECT {', '.join(asked)} FROM {view.name} ORDER BY {order}"


def _plain(dialect: Dialect, kind: str | None, column: str) -> str:
    return column if kind is None else dialect.readable.plain[kind].format(column)


def _wanted_views(
    connection: SqlConnection, metrics: Sequence[Metric | RowTable]
) -> Iterator[tuple[tuple[str, ...], View]]:
    """The views of what has tables, and of what rests in parts that have some, each with the names
    of what it leans on."""
    dialect, schema = connection.dialect, connection.readers_schema
    there = {each.name for each in metrics}
    parts: defaultdict[Metric, list[str]] = defaultdict(list)
    for each in metrics:
        if isinstance(each, RowTable):
            yield from (((each.name,), view) for view in view_of_rows(dialect, each, schema))
            continue
        yield from (((each.name,), view) for view in views_of(dialect, each, schema))
        if each.part_of is not None:
            parts[each.part_of].append(each.name)
    for whole, names_of_parts in parts.items():
        if PRODUCTS.name in there:
            leans_on = (*names_of_parts, PRODUCTS.name)
            yield from ((leans_on, view) for view in views_of(dialect, whole, schema))


def _make(connection: SqlConnection, view: View, shape: str | None) -> None:
    """Make a view, in the place of one that has a `shape`."""
    takes_comments = connection.dialect.readable.with_schema
    if shape is None:
        verb = "CREATE VIEW"
    elif shape == view.shape and takes_comments:
        # What takes a view's place keeps what readers were granted.
        verb = "CREATE OR REPLACE VIEW"
    else:
        connection.run(f"DROP VIEW {view.name}")
        verb = "CREATE VIEW"
    connection.run(f"{verb} {view.name} AS {view.select}")
    if takes_comments:
        for comment in view.comments():
            connection.run(comment)


def _known_views(connection: SqlConnection) -> list[tuple[str, str, str]]:
    rows = connection.query(
        "SELECT name, shape, mark FROM _views",
        pl.Schema(dict.fromkeys(("name", "shape", "mark"), pl.String())),
    )
    return rows.rows()


def _keys(dialect: Dialect, metric: Metric, named: Callable[[str], str]) -> Iterator[ViewColumn]:
    """The key's columns, each `named` after its field."""
    of_products = {each.name for each in attributes_of(metric)}
    for field in metric.key_names:
        text, says = f"b.{quote(field)}", f"The event's {field}"
        if field in of_products:
            says = f"The {field} of the event's product, as of the event's time"
        elif not _rests_as_it_came(field, _texts_in_key(metric)):
            text = dialect.readable.full_text(text)
        yield ViewColumn(named(field), text, says, "text")


def _texts_in_key(metric: Metric) -> int:
    """How many texts are in the key of the table that a metric's rows rest in."""
    by_product = stored_as(metric)
    return len((metric if by_product is None else by_product.by_pane).key)


def _rests_as_it_came(field: str, texts: int) -> bool:
    """Whether a field's texts rest as they came in a key of so many texts."""
    return field in _SHORT_FIELDS and texts <= SHORT_TEXTS_MAX


def _columns(dialect: Dialect, metric: Metric) -> Iterator[ViewColumn]:
    """The columns after the key's."""
    start = f"b.{quote(BUCKET_START)}"
    # Where windows differ in length, each rests with its end.
    differs = metric.window.column is not None
    end = f"b.{quote(WINDOW_END)}" if differs else f"({start} + {metric.window.size_ms})"
    instant = dialect.readable.instant
    windows = f"{window_in_words(metric.window)} long"
    yield ViewColumn(BUCKET_START, instant(start), f"When the window begins; {windows}", "instant")
    yield ViewColumn(WINDOW_END, instant(end), "When the window ends, not included", "instant")
    values = _values(dialect, metric)
    for measure in _shown(metric):
        says = _sentences(measure_in_words(measure).replace("`", ""))
        yield ViewColumn(measure.name, values[measure.name], says, measure.value_type)
    final = f"COALESCE({end} <= {_WATERMARK}, FALSE)"
    yield ViewColumn(IS_FINAL, final, "No event can change this row any more", "flag")
    says = _PARTIAL_SAYS.format("window")
    by_product = stored_as(metric)
    parts = (metric,) if by_product is None else (by_product.by_pane, by_product.by_moment)
    partial = " OR ".join(_is_partial(part.name, start) for part in parts)
    yield ViewColumn(IS_PARTIAL, f"({partial})" if by_product else partial, says, "flag")
    says = "When the window begins, in UTC milliseconds: a condition on it is answered by an index"
    yield ViewColumn(START_MS, start, says, "integer")


def _is_partial(name: str, start: str) -> str:
    """The condition of what begins then to miss events."""
    of_it = f"FROM _metrics WHERE name = {_text(name)}"
    return (
        f"(COALESCE({start} < (SELECT complete_from {of_it}), FALSE)"
        f" OR (SELECT is_complete {of_it}) = 0)"
    )


def _rows(dialect: Dialect, metric: Metric) -> str:
    """The metric's windows as `b`, with their state columns, without those that were deleted."""
    buckets, by_product = tables_of(metric)[0], stored_as(metric)
    found = stored(dialect, buckets)
    if by_product is not None:
        found = (
            f"({_added_up(dialect, metric, buckets, f'({attributed(dialect, by_product, 0)})')})"
        )
    elif not metric.window.is_written_out:
        found = f"({_added_up(dialect, metric, buckets, found)})"
    return f"{found} AS b WHERE b.{quote(BUCKET_START)} >= {_FLOOR}"


def _added_up(dialect: Dialect, metric: Metric, panes: Table, rows: str) -> str:
    """The windows of a metric, added up from the rows of its panes, of which several may have one
    key."""
    window = metric.window
    if not isinstance(window, Window):
        return _merged_by_key(dialect, panes, rows)
    pane, slide = f"p.{quote(BUCKET_START)}", window.slide_ms
    # The remainder of a negative number is negative; adding the slide makes it count from below.
    newest = f"{pane} - ({pane} % {slide} + {slide}) % {slide}"
    start = f"({newest} - s.n * {slide})"
    keys = [f"p.{quote(field)}" for field in metric.key_names]
    merged = (f"{_merged(dialect, c)} AS {quote(c.name)}" for c in panes.columns)
    columns = ", ".join([f"{start} AS {quote(BUCKET_START)}", *keys, *merged])
    group = ", ".join(str(n + 1) for n in range(1 + len(keys)))
    return (
        f"WITH RECURSIVE steps (n) AS"
        f" (SELECT 0 UNION ALL SELECT n + 1 FROM steps WHERE n < {window.overlap - 1})"
        f" SELECT {columns} FROM {rows} AS p CROSS JOIN steps AS s"
        f" WHERE {start} > {pane} - {window.size_ms} GROUP BY {group}"
    )


def _merged_by_key(dialect: Dialect, table: Table, rows: str) -> str:
    """Rows of which several may have one key, as those of a table."""
    key = names(BUCKET_START, *table.key)
    merged = (f"{_merged(dialect, c)} AS {quote(c.name)}" for c in table.columns)
    return f"SELECT {', '.join([key, *merged])} FROM {rows} AS p GROUP BY {key}"


def _merged(dialect: Dialect, column: Column) -> str:
    """A column of panes, merged. What is added up gets a wider type by itself; a text keeps its."""
    merged = f"{MERGES[column.merge].aggregate}(p.{quote(column.name)})"
    return merged if column.type == "text" else f"CAST({merged} AS {dialect.types[column.type]})"


def _values(dialect: Dialect, metric: Metric) -> dict[str, str]:
    """The values of the metric's measures as SQL, by name, of those that have one."""
    values: dict[str, str] = {}
    sql = SqlOf(
        column=lambda name: f"b.{quote(name)}",
        measure=values.get,
        integer=dialect.types["integer"],
        real=dialect.types["real"],
        exact=dialect.readable.exact,
        json_list=dialect.readable.json_list,
    )
    sides = iter(range(1, len(tables_of(metric))))
    for measure in metric.measures:
        side = "" if measure.side() is None else _side(dialect, metric, next(sides))
        value = measure.in_sql(replace(sql, side=side))
        if value is not None:
            values[measure.name] = value
    return values


def _side(dialect: Dialect, metric: Metric, number: int) -> str:
    """What to select the members or items of the row of `b` from, merged over its panes."""
    side, by_product = tables_of(metric)[number], stored_as(metric)
    of_products = {each.name for each in attributes_of(metric)}
    is_member = side.bound == "smallest_members"
    start, mine = f"s.{quote(BUCKET_START)}", f"b.{quote(BUCKET_START)}"
    mine_too = []
    for field in metric.key_names:
        one, other = f"s.{quote(field)}", f"b.{quote(field)}"
        texts = _texts_in_key(metric) + (not is_member)
        as_it_came = field in of_products or _rests_as_it_came(field, texts)
        mine_too.append(
            f"{one} = {other}" if as_it_came else dialect.readable.same_text(one, other)
        )
    rests = stored(dialect, side)
    if by_product is not None:
        rests = f"({attributed(dialect, by_product, number)})"
    rows = f"FROM {rests} AS s WHERE {' AND '.join([*mine_too, ''])}"
    item = f"{dialect.readable.full_text(f's.{ITEM}')} AS {ITEM}"
    if metric.window.is_written_out and by_product is None:
        columns = f"s.{MEMBER}" if is_member else f"{item}, s.{ITEM_COUNT}"
        return f"(SELECT {columns} {rows}{start} = {mine}) AS side"
    if isinstance(metric.window, Window):
        rows += f"{start} >= {mine} AND {start} < {mine} + {metric.window.size_ms}"
    else:
        rows += f"{start} = {mine}"
    if is_member:
        return f"(SELECT DISTINCT s.{MEMBER} {rows}) AS side"
    counted = f"CAST(SUM(s.{ITEM_COUNT}) AS {dialect.types['integer']}) AS {ITEM_COUNT}"
    return f"(SELECT {item}, {counted} {rows} GROUP BY 1) AS side"


def _shown(metric: Metric) -> list[Measure]:
    """The measures that have a column."""
    has_value: dict[str, str] = {}
    sql = SqlOf(str, has_value.get, "", "", "", lambda rows, columns: f"{rows} {columns}")
    for measure in metric.measures:
        value = measure.in_sql(sql)
        if value is not None:
            has_value[measure.name] = value
    return [measure for measure in metric.measures if measure.name in has_value]


def _sentences(*texts: str) -> str:
    found = (text.strip() for text in texts)
    return " ".join(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in found if text)


def _text(text: str) -> str:
    plain = text.replace("'", "''").replace("\0", "")
    return f"'{plain}'"


def _hash(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()[:16]
