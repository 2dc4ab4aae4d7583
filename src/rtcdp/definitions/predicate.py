"""Which events a metric looks at. Frozen nodes without behaviour; each engine lowers them.

Predicates are two-valued: a comparison with an absent field is false, and so its negation is true.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

TextField = Literal["userId", "sessionId", "eventType", "productId", "pageUrl", "source"]
NumberField = Literal["value"]
Comparison = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True)
class Everything:
    """Every admitted event."""


@dataclass(frozen=True)
class Equals:
    """The text field equals the given text, exactly."""

    field: TextField
    text: str


@dataclass(frozen=True)
class OneOf:
    """The text field equals one of the given texts."""

    field: TextField
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Present:
    """The field is there and not null."""

    field: TextField | NumberField


@dataclass(frozen=True)
class Compare:
    """The number stands in the given relation to the limit."""

    field: NumberField
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


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(predicate: Predicate, event: Mapping[str, object]) -> bool:
    """Does the predicate hold for the event, given as field names and values (None: absent)?"""
    match predicate:
        case Everything():
            return True
        case Equals(field, text):
            return event[field] == text
        case OneOf(field, texts):
            return event[field] in texts
        case Present(field):
            return event[field] is not None
        case Compare(field, comparison, limit):
            value = event[field]
            return isinstance(value, float) and _COMPARISONS[comparison](value, limit)
        case AllOf(predicates):
            return all(holds(inner, event) for inner in predicates)
        case AnyOf(predicates):
            return any(holds(inner, event) for inner in predicates)
        case Negation(negated):
            return not holds(negated, event)
