"""How rows rest in documents: which fields they have, what their `_id` is, and their versions.

A document shows the newest version of its row in plain fields, for whoever looks at the collection,
and keeps older ones under `_before`, newest first, each as [revision, values…]. A reader of an
older revision takes the newest version that is not younger. So documents can be changed one after
another without a transaction, and readers see the outcome of whole epochs all the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import polars as pl
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64

from rtcdp.admission.verdicts import LEDGER_SCHEMA
from rtcdp.definitions import (
    BUCKET_START,
    MERGES,
    MICROS_PER_UNIT,
    Column,
    RowTable,
    RowType,
    Table,
)
from rtcdp.store.mongo.connection import Document

REVISION = "_revision"
BEFORE = "_before"
WINDOW_END = "window_end"

GONE_AT = "_gone_at"

FieldKind = Literal["date", "integer", "text", "real"]
Values = tuple[int | float | str | bytes | None, ...]

_TYPES: Mapping[str, pl.DataType] = {
    "date": pl.Int64(),
    "integer": pl.Int64(),
    "text": pl.String(),
    "real": pl.Float64(),
    "bytes": pl.Binary(),
}


@dataclass(frozen=True)
class Value:
    """A stored value of a row table: it takes the place of the one before."""

    name: str
    type: RowType


@dataclass(frozen=True)
class Readable:
    """Which revisions can be read: those from `oldest` on, and `kept` ones before."""

    oldest: int
    kept: tuple[int, ...] = ()

    @property
    def earliest(self) -> int:
        """The first of all of them."""
        return min(self.oldest, *self.kept) if self.kept else self.oldest

    def has_one_of(self, first: int, end: int) -> bool:
        """Whether a revision of a half-open range can be read."""
        return end > self.oldest or any(first <= revision < end for revision in self.kept)


@dataclass(frozen=True)
class Layout:
    """The documents of one collection.

    `place` are the fields that say which row it is, in order, each with its kind; `columns` are the
    values, which merge by their rules or take each other's place; `dates` are those of them that
    are points in time. `table` is the metric's table that it is made for, if it is. The last
    columns may be `younger` than some documents, which have zeros in their places.

    A document whose row was deleted says since when in `_gone_at`, and has no values; a version
    without values, of a row that has some, is of a time when it was gone, and so is one with a
    null, of a row that has none.
    """

    collection: str
    place: tuple[tuple[str, FieldKind], ...]
    columns: tuple[Column | Value, ...]
    dates: frozenset[str] = frozenset()
    table: Table | None = None
    younger: int = 0

    @cached_property
    def place_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.place)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def schema(self) -> pl.Schema:
        """The columns of a frame of rows; points in time as UTC ms."""
        types = {name: _TYPES[kind] for name, kind in self.place}
        types.update((column.name, _TYPES[column.type]) for column in self.columns)
        return pl.Schema(types)

    @cached_property
    def projection(self) -> Document:
        """What to ask of the server to know any version of a row."""
        shown = (*self.place_names, *self.column_names, REVISION, BEFORE, GONE_AT)
        return {**dict.fromkeys(shown, 1), "_id": 0}

    @cached_property
    def _of_gone(self) -> list[object]:
        """The values of a version of a time when the row was gone."""
        return [] if self.columns else [None]

    @cached_property
    def _merges(self) -> tuple[Callable[..., int | float], ...]:
        return tuple(MERGES[c.merge].of_two for c in self.columns if isinstance(c, Column))

    @cached_property
    def _to_bson(self) -> tuple[Callable[[Any], Any], ...]:
        return tuple(
            _TO_BSON["date" if column.name in self.dates else column.type]
            for column in self.columns
        )

    @cached_property
    def _readouts(self) -> tuple["_Readout", ...]:
        if self.table is None or not _is_written_out(self.table):
            return ()
        sums = [name for name in self.column_names if name.endswith("__units")]
        measures = [name.removesuffix("__units") for name in sums]
        return tuple(
            _Readout(name, f"{name}__count" in self.column_names)
            for name in measures
            if self._is_total_or_mean(name)
        )

    def _is_total_or_mean(self, measure: str) -> bool:
        """Whether no other parts are kept of it: a spread has a sum and a count among many."""
        parts = {f"{measure}__{part}" for part in ("units", "micros", "count")}
        return all(name in parts for name in self.column_names if name.startswith(f"{measure}__"))

    def id_of(self, place: Sequence[object]) -> str:
        """The `_id` of a row: its place in one text, in which no two places are alike."""
        *first, last = place
        parts = [f"{len(each)}:{each}" if isinstance(each, str) else str(each) for each in first]
        return ":".join((*parts, str(last)))

    def merged(self, stored: Values, new: Values) -> Values:
        """A row's values after new ones have joined them. No value never wins against a value."""
        return tuple(
            [
                n if s is None else s if n is None else merge(s, n)
                for merge, s, n in zip(self._merges, stored, new, strict=True)
            ]
        )

    def placed(self, place: Sequence[object]) -> Document:
        """The fields that say which row it is."""
        fields = {
            name: _TO_BSON[kind](value)
            for (name, kind), value in zip(self.place, place, strict=True)
        }
        if self.table is not None and _has_fixed_end(self.table):
            fields[WINDOW_END] = DatetimeMS(int(fields[BUCKET_START]) + self.table.bucket_ms)
        return fields

    def shown(self, values: Values) -> Document:
        """The fields of a version, for all to see."""
        fields = {
            name: None if value is None else convert(value)
            for name, convert, value in zip(self.column_names, self._to_bson, values, strict=True)
        }
        for readout in self._readouts:
            fields[readout.name] = readout.of(fields)
        return fields

    def versions_before(self, document: Document, readable: Readable) -> list[list[object]]:
        """What a document has to remember of itself when its row gets a new version: the newest
        one, and all others that can still be read, newest first."""
        number = document[REVISION]
        is_gone = GONE_AT in document
        values = self._of_gone if is_gone else self._values(document, self.column_names)
        versions = [[number, *values]]
        if self.dates:
            versions = [[_date_as_integer(value) for value in versions[0]]]
        for older in document.get(BEFORE, ()):
            if readable.has_one_of(older[0], number):
                versions.append(older)
            number = older[0]
        return versions

    def version_at(self, document: Document, revision: int, since: int = 0) -> Values | None:
        """A row's values at a revision; None when it was not there, or not under the definition
        that holds since `since`."""
        if document[REVISION] <= revision:
            if document[REVISION] < since or GONE_AT in document:
                return None
            values = tuple(self._values(document, self.column_names))
            return tuple(map(_date_as_integer, values)) if self.dates else values
        for number, *values in document.get(BEFORE, ()):
            if number <= revision:
                is_gone = values == self._of_gone
                missing = len(self.columns) - len(values) if self.younger else 0
                return None if is_gone or number < since else (*values, *[0] * missing)
        return None

    def _values(self, document: Document, names: Sequence[str]) -> list[Any]:
        if self.younger:
            return [document.get(name, 0) for name in names]
        return [document[name] for name in names]

    def rows_at(
        self, documents: Iterable[Document], revision: int, since: int = 0
    ) -> Iterator[Values]:
        """The rows, as in `schema`, of those documents that were there at a revision."""
        names, dates = self.place_names, [kind == "date" for _, kind in self.place]
        for document in documents:
            values = self.version_at(document, revision, since)
            if values is not None:
                place = (
                    int(document[name]) if is_date else document[name]
                    for name, is_date in zip(names, dates, strict=True)
                )
                yield (*place, *values)

    def frame(self, rows: Sequence[Values]) -> pl.DataFrame:
        """Rows as columns."""
        if not rows:
            return pl.DataFrame(schema=self.schema)
        columns = zip(*rows, strict=True)
        return pl.DataFrame(
            [
                pl.Series(name, values, dtype)
                for (name, dtype), values in zip(self.schema.items(), columns, strict=True)
            ]
        )


@dataclass(frozen=True)
class _Readout:
    """A number for people, of a measure that is kept in several parts."""

    name: str
    is_mean: bool

    def of(self, fields: Document) -> float | None:
        total: float = fields[f"{self.name}__units"]
        total += fields[f"{self.name}__micros"] / MICROS_PER_UNIT
        if not self.is_mean:
            return total
        count = fields[f"{self.name}__count"]
        return total / count if count > 0 else None


def integer(value: object) -> Int64:
    """A whole number as the same type in every document, however small it is."""
    assert isinstance(value, int)
    return Int64(value)


def date(value: object) -> DatetimeMS:
    """A point in time (UTC ms) of any year."""
    assert isinstance(value, int)
    # The driver's own type for whole numbers is not welcome inside.
    return DatetimeMS(int(value))


@lru_cache(maxsize=1024)
def layout_of(table: Table) -> Layout:
    """The layout of a metric's table."""
    place: list[tuple[str, FieldKind]] = [(BUCKET_START, "date")]
    place += [(name, "text") for name in table.key]
    if table.member is not None:
        place.append(table.member)
    dates = frozenset({WINDOW_END}).intersection(table.column_names)
    return Layout(table.name, tuple(place), table.columns, dates, table=table)


@lru_cache(maxsize=256)
def layout_of_rows(table: RowTable) -> Layout:
    """The layout of a row table."""
    types = dict(table.columns)
    place: list[tuple[str, FieldKind]] = [(name, "text") for name in table.group_key]
    place += [(name, "date" if name == table.time else _kind(types[name])) for name in table.order]
    return Layout(
        table.name, tuple(place), tuple(Value(name, types[name]) for name in table.value_names)
    )


LEDGER = Layout(
    collection="_ledger",
    place=(("minute", "date"), ("source", "text")),
    columns=tuple(Column(name, "integer", "add") for name in LEDGER_SCHEMA.names()[2:]),
    younger=1,
)

CHECKSUMS = Layout(
    collection="_checksums",
    place=(("table", "text"), ("since", "integer"), ("day", "integer")),
    columns=(Column("low", "integer", "add"), Column("high", "integer", "add")),
)
"""Of each table, as it is defined since a revision; see `rtcdp.store.checksums`."""

SPANS = Layout(
    collection="_spans",
    place=(("partition", "integer"), ("first_offset", "integer")),
    columns=(
        Column("next_offset", "integer", "max"),
        Column("min_event_time", "integer", "min"),
        Column("max_event_time", "integer", "max"),
        Column("committed_at", "integer", "min"),
    ),
    dates=frozenset({"min_event_time", "max_event_time", "committed_at"}),
)

_TO_BSON: Mapping[str, Callable[[Any], Any]] = {
    "date": date,
    "integer": Int64,
    "text": lambda value: value,
    "real": lambda value: value,
    "bytes": lambda value: value,
}


def _kind(kind: RowType) -> FieldKind:
    assert kind in ("text", "integer")
    return kind


def _date_as_integer(value: Any) -> Any:
    return Int64(value) if isinstance(value, DatetimeMS) else value


def _has_fixed_end(table: Table) -> bool:
    return _is_written_out(table) and WINDOW_END not in table.column_names


def _is_written_out(table: Table) -> bool:
    """Whether its buckets are windows."""
    return table.bound == "none" and table.name == table.metric
