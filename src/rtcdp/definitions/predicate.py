"""Which events a metric looks at. Frozen nodes without behaviour; each engine lowers them.

Predicates are two-valued: a comparison with an absent field is false, and so its negation is true.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rtcdp.events.derived import Number, Text, number_in, text_in

Comparison = Literal["<", "<=", "==", ">", ">="]


@dataclass(frozen=True)
class Everything:
    """Every admitted event."""


@dataclass(frozen=True)
class Equals:
    """The text equals the given text, exactly."""

    field: Text
    text: str


@dataclass(frozen=True)
class OneOf:
    """The text equals one of the given texts."""

    field: Text
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Present:
    """The field is there and not null."""

    field: Text | Number


@dataclass(frozen=True)
class Compare:
    """The number stands in the given relation to the limit."""

    field: Number
    comparison: Comparison
    limit: float


@dataclass(frozen=True)
class AllOf:
    """Every one of the predicates holds."""

    predicates: tuple["Predicate", ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one of the predicates holds."""

    predicates: tuple["Predicate", ...]


@dataclass(frozen=True)
class Negation:
    """The predicate does not hold."""

    predicate: "Predicate"


Predicate = Everything | Equals | OneOf | Present | Compare | AllOf | AnyOf | Negation
"""The closed set of nodes."""


def event_type(*names: str) -> Predicate:
    """Events of one of the given types: `event_type("PAGE_VIEW")`."""
    return Equals("eventType", names[0]) if len(names) == 1 else OneOf("eventType", names)


def all_of(*predicates: Predicate) -> Predicate:
    return AllOf(predicates)


def any_of(*predicates: Predicate) -> Predicate:
    return AnyOf(predicates)


def negate(predicate: Predicate) -> Predicate:
    return Negation(predicate)


def nodes_of(predicate: Predicate) -> Iterator[Predicate]:
    """The predicate and all predicates inside it."""
    yield predicate
    match predicate:
        case AllOf(predicates) | AnyOf(predicates):
            for inner in predicates:
                yield from nodes_of(inner)
        case Negation(negated):
            yield from nodes_of(negated)
        case _:
            pass


def fields_in(predicate: Predicate) -> Iterator[Text | Number]:
    """What the predicate looks at of an event."""
    for node in nodes_of(predicate):
        if isinstance(node, Equals | OneOf | Present | Compare):
            yield node.field


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(predicate: Predicate, event: Mapping[str, object]) -> bool:
    """Does the predicate hold for the event, given as field names and values (None: absent)?"""
    match predicate:
        case Everything():
            return True
        case Equals(field, text):
            return text_in(field, event) == text
        case OneOf(field, texts):
            return text_in(field, event) in texts
        case Present(field):
            return text_in(field, event) is not None
        case Compare(field, comparison, limit):
            value = number_in(field, event)
            return value is not None and _COMPARISONS[comparison](value, limit)
        case AllOf(predicates):
            return all(holds(inner, event) for inner in predicates)
        case AnyOf(predicates):
            return any(holds(inner, event) for inner in predicates)
        case Negation(negated):
            return not holds(negated, event)
