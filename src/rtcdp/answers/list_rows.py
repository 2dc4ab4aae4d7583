"""Items of lists as rows of a table: what columns they have, and what stands in them.

Of an item that holds a list of others, like the cells of a cohort, each is a row of its own, with
what the item says besides before it; one that holds none is one row. What is neither a number nor a
text is written as JSON.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from rtcdp.answers.export import ColumnType, Row

_INSTANTS = ("_at", "_start", "_end", "_from", "_time", "minute")
"""What the names of times end in; other texts are texts."""

_SIMPLE: Mapping[Any, ColumnType] = {
    bool: "boolean",
    int: "integer",
    float: "real",
    list[str]: "texts",
}


@lru_cache(maxsize=256)
def columns_of(item: type[msgspec.Struct]) -> dict[str, ColumnType]:
    """The columns of items of this type, in order."""
    found: dict[str, ColumnType] = {}
    inner: dict[str, ColumnType] = {}
    for name, kind in _fields(item).items():
        of = _held(kind)
        if of is not None:
            inner = columns_of(of)
        else:
            found[name] = _type_of(name, kind)
    return found | inner


def rows_of(items: Iterable[Any]) -> Iterator[Row]:
    """The rows of some items, which are structs or rows already."""
    for item in items:
        yield from _rows(item) if isinstance(item, msgspec.Struct) else (item,)


def _rows(item: msgspec.Struct) -> Iterator[Row]:
    row: dict[str, Any] = {}
    inner: list[msgspec.Struct] | None = None
    for name, kind in _fields(type(item)).items():
        value = getattr(item, name)
        if _held(kind) is not None:
            inner = value
        elif value is not msgspec.UNSET:
            row[name] = _plain(value)
    if not inner:
        yield row
        return
    for each in inner:
        for of_each in _rows(each):
            yield {**row, **of_each}


@lru_cache(maxsize=256)
def _fields(item: type[msgspec.Struct]) -> dict[str, Any]:
    """The names and types of the fields, those that the item adds to what it is a kind of last."""
    hints = get_type_hints(item)
    return {each.name: hints[each.name] for each in msgspec.structs.fields(item)}


@lru_cache(maxsize=256)
def _held(kind: Any) -> type[msgspec.Struct] | None:
    """What a field holds a list of, if that is items with fields."""
    of = get_args(kind)[0] if get_origin(kind) is list else None
    return of if isinstance(of, type) and issubclass(of, msgspec.Struct) else None


def _type_of(name: str, kind: Any) -> ColumnType:
    if get_origin(kind) is not list:
        choices = [each for each in get_args(kind) if each not in (NoneType, msgspec.UnsetType)]
        is_choice = choices and get_origin(kind) not in (dict, Literal)
        kind = choices[0] if is_choice else kind
    if kind is str and name.endswith(_INSTANTS):
        return "instant"
    return _SIMPLE.get(kind, "text")


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode(errors="backslashreplace")
    if isinstance(value, msgspec.Struct | dict):
        return msgspec.json.encode(value).decode()
    return value
