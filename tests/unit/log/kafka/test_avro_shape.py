"""Schemas of Avro that don't bound their messages are refused, and no others."""

from functools import reduce
from typing import Any

import fastavro
import pytest

from rtcdp.log.kafka.avro_shape import DEPTH_MAX, check_bounded


def record(name: str, **fields: Any) -> dict[str, Any]:
    listed = [{"name": field, "type": type_} for field, type_ in fields.items()]
    return {"type": "record", "name": name, "fields": listed}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def nested(levels: int) -> Any:
    """So many maps in each other, around a number."""
    return reduce(lambda inner, _: {"type": "map", "values": inner}, range(levels), "long")


def check(schema: Any) -> None:
    named: dict[str, Any] = {}
    check_bounded(fastavro.parse_schema(schema, named_schemas=named), named)


MONEY = record("Money", micros="long")
EMPTY = record("Empty", nothing="null", none=record("None"))


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (record("N", next=["null", "N"]), "N holds itself"),
        (record("shop.Event", all=array(record("Inner", outer="Event"))), "Event holds itself"),
        (array("null"), "takes no bytes"),
        (array({"type": "null"}), "takes no bytes"),
        (record("Sold", all=array(EMPTY)), "takes no bytes"),
        (array({"type": "fixed", "name": "Zero", "size": 0}), "takes no bytes"),
        (nested(DEPTH_MAX), "100 levels"),
    ],
)
def test_a_schema_that_does_not_bound_its_messages_is_refused(schema: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check(schema)


@pytest.mark.parametrize(
    "schema",
    [
        record("Sold", price=MONEY, tax=["null", "Money"], all=array("Money")),
        record("Twice", one=EMPTY, other="Empty"),
        array(["null", "long"]),
        array({"type": "enum", "name": "Only", "symbols": ["A"]}),
        array({"type": "fixed", "name": "Guid", "size": 16}),
        array({"type": "bytes", "logicalType": "decimal", "precision": 4}),
        {"type": "map", "values": "null"},
        nested(DEPTH_MAX - 1),
    ],
)
def test_others_are_taken(schema: Any) -> None:
    check(schema)


def test_types_of_other_schemas_are_looked_into() -> None:
    named: dict[str, Any] = {}
    fastavro.parse_schema(EMPTY, named_schemas=named)
    parsed = fastavro.parse_schema(record("Sold", all=array("Empty")), named_schemas=named)
    with pytest.raises(ValueError, match="takes no bytes"):
        check_bounded(parsed, named)


def test_what_is_used_again_and_again_is_looked_at_once() -> None:
    types = [record("T0", n="long")]
    for level in range(1, 40):
        below = f"T{level - 1}"
        types.append(record(f"T{level}", first=types[-1], second=below, third=below))
    check(types[-1])
