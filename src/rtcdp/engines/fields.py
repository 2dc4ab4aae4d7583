"""Which columns of an event the metrics need; every engine decodes only those."""

from collections.abc import Sequence

from rtcdp.vocabulary.metric import Metric
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


def fields_of(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """The event columns that the metrics need, in a fixed order, without `source`."""
    needed: set[str] = set()
    for metric in metrics:
        needed.update(metric.key)
        needed.update(_fields_of_predicate(metric.predicate))
        for measure in metric.measures:
            needed.update(measure.fields)
            if measure.where is not None:
                needed.update(_fields_of_predicate(measure.where))
    return tuple(sorted(needed - {"source"}))


def _fields_of_predicate(predicate: Predicate) -> set[str]:
    match predicate:
        case Everything():
            return set()
        case Equals(field, _) | OneOf(field, _) | Present(field) | Compare(field, _, _):
            return {field}
        case AllOf(predicates) | AnyOf(predicates):
            return {name for inner in predicates for name in _fields_of_predicate(inner)}
        case Negation(negated):
            return _fields_of_predicate(negated)
