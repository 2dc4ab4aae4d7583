"""From the product's own shapes to the plain data that the judge is given."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields as options_of
from dataclasses import is_dataclass
from typing import Any

from rtcdp.definitions import (
    AllOf,
    AnyOf,
    Average,
    Buckets,
    Calendar,
    Compare,
    Distinct,
    Equals,
    Everything,
    Fold,
    Maximum,
    Measure,
    Metric,
    Minimum,
    Negation,
    Number,
    OneOf,
    Predicate,
    Present,
    Product,
    Property,
    Step,
    Sum,
    Text,
    TopK,
    UrlHost,
    UrlPath,
    Window,
    field_name,
)
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.joins import IntervalJoin
from rtcdp.folds.paths import Paths
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.folds.recommendation_outcomes import RecommendationOutcomes
from rtcdp.folds.retention import Retention
from rtcdp.folds.sessions import Sessions
from rtcdp.log.contract import RawRecord
from rtcdp.verify.judge import PlainRecord

JUDGED = frozenset({"count", "sum", "average", "minimum", "maximum", "distinct", "topk"})
"""The measures that the judge knows. What is computed from others (a ratio), spreads, ends and
quantiles it leaves to the oracle and the tests of the measure."""


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
            record.is_aged,
        )


def plain_metric(metric: Metric) -> dict[str, Any]:
    """A definition as a dictionary."""
    return {
        "name": metric.name,
        **_window(metric.window),
        "key": tuple(map(_text, metric.key)),
        "predicate": _predicate(metric.predicate),
        "measures": [_measure(each) for each in metric.measures if each.kind in JUDGED],
    }


def _window(window: Window | Calendar) -> Mapping[str, Any]:
    match window:
        case Window(size_ms, slide_ms):
            return {"size_ms": size_ms, "slide_ms": slide_ms}
        case Calendar(unit, zone, week_starts):
            return {"calendar": {"unit": unit, "zone": zone, "week_starts": week_starts}}


def plain_fold(fold: Fold) -> dict[str, Any]:
    """A fold as a dictionary."""
    return {"name": fold.name, "key": fold.key, **_plain_step(fold.step)}


def is_fold_judged(fold: Fold) -> bool:
    """Whether the judge knows what the fold does: one of the platform's own kinds."""
    return type(fold.step) in _KINDS


_KINDS: Mapping[type[Step], str] = {
    Sessions: "sessions",
    Retention: "retention",
    Paths: "paths",
    ProductSessions: "products",
    Funnel: "funnel",
    IntervalJoin: "join",
    RecommendationOutcomes: "outcomes",
}


def _plain_step(step: Step) -> dict[str, Any]:
    plain = {name: _plain_option(value) for name, value in _options_of(step)}
    if isinstance(step, Funnel) and step.breakdown is not None:
        plain["breakdown"] = _text(step.breakdown)
    return {"kind": _KINDS[type(step)], **plain}


def _options_of(step: Step) -> Iterator[tuple[str, Any]]:
    assert is_dataclass(step), "a step is a frozen dataclass of options"
    return ((each.name, getattr(step, each.name)) for each in options_of(step))


def _plain_option(value: Any) -> Any:
    if isinstance(value, Predicate):
        return _predicate(value)
    if isinstance(value, FunnelStep):
        return _predicate(value.events)
    if isinstance(value, Step):
        return _plain_step(value)
    return list(map(_plain_option, value)) if isinstance(value, tuple) else value


def _measure(measure: Measure) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": measure.name, "kind": measure.kind}
    match measure:
        case TopK(field=field, k=k):
            plain |= {"field": _text(field), "item": field_name(field), "k": k}
        case Distinct(field=text):
            plain["field"] = _text(text)
        case Sum(field=number) | Average(field=number) | Minimum(field=number):
            plain["field"] = _number(number)
        case Maximum(field=number):
            plain["field"] = _number(number)
    return plain if measure.where is None else plain | {"where": _predicate(measure.where)}


def _text(field: Text | Number) -> str | Mapping[str, Any]:
    """What is a text, unless it is a number field."""
    match field:
        case Property(key=key):
            return {"made": "property", "key": key}
        case UrlPath(field=address):
            return {"made": "path", "of": address}
        case UrlHost(field=address):
            return {"made": "host", "of": address}
        case Buckets(of=of, limits=limits):
            return {"made": "buckets", "of": _number(of), "limits": limits}
        case Product():
            raise AssertionError("metrics by what products are rest in others, which are judged")
        case str():
            return field


def _number(field: Number) -> str | Mapping[str, Any]:
    return field if isinstance(field, str) else {"made": "number", "key": field.key}


def _predicate(predicate: Predicate) -> Mapping[str, Any]:
    match predicate:
        case Everything():
            return {"is": "all", "of": []}
        case Equals(field, text):
            return {"is": "one_of", "field": _text(field), "texts": [text]}
        case OneOf(field, texts):
            return {"is": "one_of", "field": _text(field), "texts": texts}
        case Present(field):
            return {"is": "present", "field": _text(field)}
        case Compare(field, comparison, limit):
            number = _number(field)
            return {"is": "compare", "field": number, "comparison": comparison, "limit": limit}
        case AllOf(predicates):
            return {"is": "all", "of": [_predicate(inner) for inner in predicates]}
        case AnyOf(predicates):
            return {"is": "any", "of": [_predicate(inner) for inner in predicates]}
        case Negation(negated):
            return {"is": "not", "of": _predicate(negated)}
