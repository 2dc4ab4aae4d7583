"""Predicates on one event, by plain comparison: for the oracle, and for finding single events.

The engines lower predicates to columns of their own; tests hold the two together.
"""

import operator
from collections.abc import Callable, Mapping

from rtcdp.vocabulary.predicate import (
    AllOf,
    AnyOf,
    Compare,
    Equals,
    Everything,
    Negation,
    OneOf,
    Predicate,
    Present,
)

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
