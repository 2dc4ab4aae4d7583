"""From the product's own shapes to the plain data that the judge is given."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from rtcdp.definitions import (
    AllOf,
    AnyOf,
    Compare,
    Equals,
    Everything,
    Measure,
    Metric,
    Negation,
    OneOf,
    Predicate,
    Present,
    Window,
    fields_in,
)
from rtcdp.log.contract import RawRecord
from rtcdp.verify.judge import PlainRecord

JUDGED = frozenset({"count", "sum", "average", "minimum", "maximum", "distinct", "topk"})
"""The measures that the judge knows. What is computed from others (a ratio), and spreads, it leaves
to the oracle and the tests of the measure."""


def plain_records(records: Iterable[RawRecord]) -> Iterator[PlainRecord]:
    """Records of a log, one by one."""
    for record in records:
        yield PlainRecord(
            record.partition,
            record.offset,
            record.received_at,
            record.source,
            record.intake,
            record.raw,
            record.replay_of,
            record.is_corrupt,
            record.stands_for,
        )


def plain_metric(metric: Metric) -> dict[str, Any]:
    """A definition as a dictionary."""
    window = metric.window
    assert isinstance(window, Window)
    return {
        "name": metric.name,
        "size_ms": window.size_ms,
        "slide_ms": window.slide_ms,
        "key": metric.key,
        "predicate": _predicate(metric.predicate),
        "measures": [_measure(each) for each in metric.measures if _is_known(each)],
    }


def is_judged(metric: Metric) -> bool:
    """Whether the judge knows all that says what the metric counts: fields as they are. What is
    derived from them, it leaves to the oracle and the tests of what is derived."""
    wheres = [each.where for each in metric.measures if each.where is not None]
    fields = [*metric.key, *chain.from_iterable(map(fields_in, (metric.predicate, *wheres)))]
    return isinstance(metric.window, Window) and all(isinstance(field, str) for field in fields)


def _measure(measure: Measure) -> Mapping[str, Any]:
    where = {} if measure.where is None else {"where": _predicate(measure.where)}
    plain: dict[str, Any] = {"name": measure.name, "kind": measure.kind}
    options = {name: getattr(measure, name, None) for name in ("field", "k")}
    given = {name: value for name, value in options.items() if value is not None}
    return {**plain, **given, **where}


def _is_known(measure: Measure) -> bool:
    return measure.kind in JUDGED and isinstance(getattr(measure, "field", ""), str)


def _predicate(predicate: Predicate) -> Mapping[str, Any]:
    match predicate:
        case Everything():
            return {"is": "all", "of": []}
        case Equals(field, text):
            return {"is": "one_of", "field": field, "texts": [text]}
        case OneOf(field, texts):
            return {"is": "one_of", "field": field, "texts": texts}
        case Present(field):
            return {"is": "present", "field": field}
        case Compare(field, comparison, limit):
            return {"is": "compare", "field": field, "comparison": comparison, "limit": limit}
        case AllOf(predicates):
            return {"is": "all", "of": [_predicate(inner) for inner in predicates]}
        case AnyOf(predicates):
            return {"is": "any", "of": [_predicate(inner) for inner in predicates]}
        case Negation(negated):
            return {"is": "not", "of": _predicate(negated)}
