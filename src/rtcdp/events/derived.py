"""What can be made of an event: a property, the path or host of an address, a bucket of a number.

Each is frozen data with a name that people see and a column that engines see, and says what it
means twice, side by side: for a batch in columns, and for one event in plain Python, which the
oracle and the search for events use. A column's name tells all about it, so that executors on
other machines need nothing but the names.
"""

import json
import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase
from typing import ClassVar, Literal
from urllib.parse import quote, unquote

import numpy as np
import polars as pl

from rtcdp.events.event import MAX_ABSOLUTE_VALUE

PROPERTY_TEXT_MAX = 256
"""A longer text in `properties` is nobody's key: it counts as absent."""

Fields = Mapping[str, object]
"""An event's fields by name, as `rtcdp.events.columns.from_event` gives them."""

_ADDRESS = r"^(?:(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//(?:[^/?#]*))?([^?#]*)"
_AUTHORITY = r"^(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//([^/?#]*)"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_WHOLE_BELOW = 1e16


@dataclass(frozen=True)
class Batch:
    """Decoded events: their columns, and what each has under a key of its `properties`."""

    frame: pl.DataFrame
    property_of: Callable[[str], Sequence[object]]

    def column(self, name: str) -> pl.Series:
        """A field, or what is derived from fields."""
        found = derived(name)
        return self.frame[name] if found is None else found.of_batch(self).alias(name)


class Derived(ABC):
    """One value an event, or none."""

    type: ClassVar[Literal["text", "real", "integer"]] = "text"

    @property
    def name(self) -> str:
        """What tables, the API and SQL call it."""
        return self.column

    @property
    @abstractmethod
    def column(self) -> str:
        """The name of its column, from which `derived` makes it again."""

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The fields of the event that it is made of."""

    @abstractmethod
    def of_batch(self, batch: Batch) -> pl.Series:
        """Of each event of a batch."""

    @abstractmethod
    def of_event(self, event: Fields) -> str | float | None:
        """Of one event, naively."""


@dataclass(frozen=True)
class Property(Derived):
    """What stands under a key of `properties`, as text: a text of up to 256 characters as it is,
    `true` and `false`, a number as `number_text` writes it. Anything else is absent.

    Where a number is wanted, it is the number that stands there, of up to ±2³³; a text is none.
    `called` names it where the key can't be a name.
    """

    key: str
    called: str = ""

    @property
    def name(self) -> str:
        return self.called or self.key

    @property
    def column(self) -> str:
        return f"property:{_quoted(self.key)}"

    @property
    def fields(self) -> tuple[str, ...]:
        return ("properties",)

    def of_batch(self, batch: Batch) -> pl.Series:
        values = map(_text_of, batch.property_of(self.key))
        return pl.Series(self.column, list(values), dtype=pl.String)

    def of_event(self, event: Fields) -> str | None:
        return _text_of(_property_of(event, self.key))


@dataclass(frozen=True)
class PropertyNumber(Derived):
    """The number that stands under a key of `properties`."""

    type = "real"
    key: str

    @property
    def column(self) -> str:
        return f"number:{_quoted(self.key)}"

    @property
    def fields(self) -> tuple[str, ...]:
        return ("properties",)

    def of_batch(self, batch: Batch) -> pl.Series:
        values = map(_number_of, batch.property_of(self.key))
        return pl.Series(self.column, list(values), dtype=pl.Float64)

    def of_event(self, event: Fields) -> float | None:
        return _number_of(_property_of(event, self.key))


@dataclass(frozen=True)
class UrlPath(Derived):
    """The path of an address, without scheme, host, query and fragment; `/` where it has none."""

    field: Literal["pageUrl"] = "pageUrl"
    called: str = ""

    @property
    def name(self) -> str:
        return self.called or f"{self.field}Path"

    @property
    def column(self) -> str:
        return f"url_path:{self.field}"

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def of_batch(self, batch: Batch) -> pl.Series:
        path = batch.frame[self.field].str.extract(_ADDRESS, 1)
        return path.replace("", "/")

    def of_event(self, event: Fields) -> str | None:
        address = event[self.field]
        if not isinstance(address, str):
            return None
        plain = address.partition("#")[0].partition("?")[0]
        behind = _behind_the_scheme(plain)
        if behind is not None:
            _, slash, path = behind.partition("/")
            plain = slash + path
        return plain or "/"


@dataclass(frozen=True)
class UrlHost(Derived):
    """The host of an address in small letters, without user and port; absent where it has none."""

    field: Literal["pageUrl"] = "pageUrl"
    called: str = ""

    @property
    def name(self) -> str:
        return self.called or f"{self.field}Host"

    @property
    def column(self) -> str:
        return f"url_host:{self.field}"

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def of_batch(self, batch: Batch) -> pl.Series:
        authority = batch.frame[self.field].str.extract(_AUTHORITY, 1)
        host = authority.str.replace(r"^(?s:.*)@", "").str.replace(r":[0-9]*$", "")
        small = host.str.replace_many(list(ascii_uppercase), list(ascii_lowercase))
        return small.replace("", None)

    def of_event(self, event: Fields) -> str | None:
        address = event[self.field]
        if not isinstance(address, str):
            return None
        behind = _behind_the_scheme(address.partition("#")[0].partition("?")[0])
        if behind is None:
            return None
        host = behind.partition("/")[0].rpartition("@")[2]
        before, colon, port = host.rpartition(":")
        if colon and (not port or (port.isascii() and port.isdigit())):
            host = before
        return host.translate(str.maketrans(ascii_uppercase, ascii_lowercase)) or None


@dataclass(frozen=True)
class Buckets(Derived):
    """Which of the ranges between the limits a number lies in: `..0`, `0..10`, `10..` for the
    limits 0 and 10. A range holds its lower limit, and not its upper one."""

    of: "Literal['value'] | Property"
    limits: tuple[float, ...]
    called: str = ""

    @property
    def name(self) -> str:
        return self.called or f"{field_name(self.of)}Bucket"

    @property
    def column(self) -> str:
        limits = ",".join(map(repr, map(float, self.limits)))
        return f"buckets:{limits}:{number_column(self.of)}"

    @property
    def fields(self) -> tuple[str, ...]:
        return ("value",) if isinstance(self.of, str) else self.of.fields

    @property
    def labels(self) -> list[str]:
        limits = ["", *(number_text(limit) for limit in self.limits), ""]
        return [f"{low}..{high}" for low, high in pairwise(limits)]

    def of_batch(self, batch: Batch) -> pl.Series:
        return labelled(batch.column(number_column(self.of)), self.limits, self.labels)

    def of_event(self, event: Fields) -> str | None:
        number = number_in(self.of, event)
        return None if number is None else self.labels[bisect_right(self.limits, number)]


ProductAttribute = Literal["category", "name"]

UNKNOWN_PRODUCT = "(unknown)"
"""What stands for an attribute of a product of which it is not known at the time of an event."""


@dataclass(frozen=True)
class Product(Derived):
    """What is known of the event's product, as of the event's time, by the stream of product
    updates; `UNKNOWN_PRODUCT` where that says nothing. An event without a product has none.

    It can be a key of a metric, and nothing else: it is looked up when answers are read, in the
    versions that are known then, and never written into what is counted. So of one event it is told
    only where its fields hold it, under the name of its column.
    """

    attribute: ProductAttribute
    called: str = ""

    @property
    def name(self) -> str:
        return self.called or self.attribute

    @property
    def column(self) -> str:
        return f"product:{self.attribute}"

    @property
    def fields(self) -> tuple[str, ...]:
        return ("productId",)

    def of_batch(self, batch: Batch) -> pl.Series:
        del batch
        raise AssertionError("an attribute of products is looked up when answers are read")

    def of_event(self, event: Fields) -> str | None:
        if event["productId"] is None:
            return None
        found = event.get(self.column)
        return found if isinstance(found, str) else UNKNOWN_PRODUCT


def labelled(numbers: pl.Series, limits: Sequence[float], labels: Sequence[str]) -> pl.Series:
    """The label of the range that each number lies in; there is one more of them than limits."""
    places = np.searchsorted(np.asarray(limits, np.float64), numbers.fill_null(0), side="right")
    found = pl.Series(labels, dtype=pl.String).gather(places)
    is_there = numbers.is_not_null()
    return found if is_there.all() else found.zip_with(is_there, pl.Series([None], dtype=pl.String))


TextField = Literal["userId", "sessionId", "eventType", "productId", "pageUrl", "source"]
NumberField = Literal["value"]
Text = TextField | Property | UrlPath | UrlHost | Buckets | Product
"""What may be a key, compared with a text, counted distinct or listed."""

Number = NumberField | Property
"""What may be summed, compared with a number or put into buckets."""


def text_column(field: Text | Number) -> str:
    """The column of decoded events that holds it as text."""
    return field if isinstance(field, str) else field.column


def number_column(field: Number) -> str:
    """The column of decoded events that holds it as a number."""
    return field if isinstance(field, str) else PropertyNumber(field.key).column


def text_in(field: Text | Number, event: Fields) -> object:
    """What one event has there, as text if it is no number field; or None."""
    return event[field] if isinstance(field, str) else field.of_event(event)


def number_in(field: Number, event: Fields) -> float | None:
    """The number that one event has there, or None."""
    if not isinstance(field, str):
        return PropertyNumber(field.key).of_event(event)
    value = event[field]
    return value if isinstance(value, float) else None


def field_name(field: Text | Number) -> str:
    """What tables and people call it."""
    return field if isinstance(field, str) else field.name


def field_in_words(field: Text | Number) -> str:
    """What it is, in Markdown."""
    match field:
        case Property(key=key):
            return f"`properties.{key}`"
        case UrlPath(field=address):
            return f"path of `{address}`"
        case UrlHost(field=address):
            return f"host of `{address}`"
        case Buckets(of=of, limits=limits):
            return f"range of {field_in_words(of)} between " + ", ".join(map(number_text, limits))
        case Product(attribute=attribute):
            return f"`{attribute}` of the product, as of the event"
        case str():
            return f"`{field}`"


def number_text(number: float) -> str:
    """A whole number below 10¹⁶ without a point, any other as the shortest decimal that means the
    same double: `1`, `2.5`, `1e+16`."""
    number = float(number)
    if abs(number) < _WHOLE_BELOW and number == int(number):
        return str(int(number))
    return repr(number)


def derived(column: str) -> Derived | None:
    """What the column of this name holds, if it isn't a field as it is."""
    kind, colon, rest = column.partition(":")
    return _KINDS[kind](rest) if colon else None


def add_kind(kind: str, made_of: Callable[[str], Derived]) -> None:
    """Let columns called `kind:…` be what `made_of` makes of the rest of their name."""
    _KINDS[kind] = made_of


def _buckets_of(rest: str) -> Buckets:
    limits, _, column = rest.partition(":")
    return Buckets(number_of_column(column), tuple(map(float, limits.split(","))))


def number_of_column(column: str) -> Number:
    """What `number_column` made the name of."""
    if column == "value":
        return "value"
    return Property(unquote(column.partition(":")[2]))


_KINDS: dict[str, Callable[[str], Derived]] = {
    "property": lambda rest: Property(unquote(rest)),
    "number": lambda rest: PropertyNumber(unquote(rest)),
    "url_path": lambda _: UrlPath(),
    "url_host": lambda _: UrlHost(),
    "buckets": _buckets_of,
}


def _quoted(key: str) -> str:
    return quote(key, safe="")


def _behind_the_scheme(address: str) -> str | None:
    """What follows `scheme://` or `//`; None where the address begins otherwise."""
    if address.startswith("//"):
        return address[2:]
    scheme, separator, behind = address.partition("://")
    return behind if separator and _SCHEME.fullmatch(scheme) else None


def _property_of(event: Fields, key: str) -> object:
    properties = event["properties"]
    if not isinstance(properties, bytes):
        return None
    return json.loads(properties).get(key)


def _text_of(value: object) -> str | None:
    if isinstance(value, str):
        return value if len(value) <= PROPERTY_TEXT_MAX and "\0" not in value else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, int | float) else None


def _number_of(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) + 0.0 if abs(value) <= MAX_ABSOLUTE_VALUE else None
