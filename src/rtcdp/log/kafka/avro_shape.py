"""Which schemas of Avro messages may be written by: those that their bytes bound.

The compiled reader calls itself for every level, with no limit of its own: a schema that holds
itself lets a few kilobytes end the process. And where items take no bytes, a count of four bytes
stands for millions of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEPTH_MAX = 100


@dataclass(frozen=True)
class _Shape:
    """How many levels a value may have, and whether it may take no bytes."""

    depth: int
    may_be_empty: bool


def check_bounded(schema: Any, named: Mapping[str, Any]) -> None:
    """Raises `ValueError`, which says why, for a schema that nests deeper than `DEPTH_MAX`, holds
    itself, or has arrays of what takes no bytes. It is one that fastavro has parsed, and `named`
    are the types that have a name there."""
    _Walk(named).shape_of(schema)


class _Walk:
    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._known: dict[str, _Shape | None] = {}

    def shape_of(self, kind: Any) -> _Shape:
        match kind:
            case str():
                return self._shape_named(kind) if kind in self._named else _primitive(kind)
            case list():
                return _over([self.shape_of(each) for each in kind], may_be_empty=False)
            case {"type": "record" | "error", "fields": listed}:
                within = [self.shape_of(each["type"]) for each in listed]
                return _over(within, may_be_empty=all(each.may_be_empty for each in within))
            case {"type": "array", "items": items}:
                item = self.shape_of(items)
                if item.may_be_empty:
                    raise ValueError("it has an array of what takes no bytes")
                return _over([item], may_be_empty=False)
            case {"type": "map", "values": values}:
                return _over([self.shape_of(values)], may_be_empty=False)
            case {"type": "fixed", "size": size}:
                return _Shape(1, may_be_empty=size == 0)
            case {"type": "enum"}:
                return _Shape(1, may_be_empty=False)
        return self.shape_of(kind["type"])

    def _shape_named(self, name: str) -> _Shape:
        if name not in self._known:
            self._known[name] = None
            self._known[name] = self.shape_of(self._named[name])
        found = self._known[name]
        if found is None:
            raise ValueError(f"{name} holds itself, so that no limit bounds how deep it nests")
        return found


def _over(parts: list[_Shape], *, may_be_empty: bool) -> _Shape:
    depth = 1 + max((each.depth for each in parts), default=0)
    if depth > DEPTH_MAX:
        raise ValueError(f"it nests more than {DEPTH_MAX} levels deep")
    return _Shape(depth, may_be_empty)


def _primitive(name: str) -> _Shape:
    return _Shape(1, may_be_empty=name == "null")
