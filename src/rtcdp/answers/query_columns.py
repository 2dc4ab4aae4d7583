"""Which numbers a query asks for: `revenue`, `revenue.order_count`, or a ratio of two of them,
`orders.order_count/daily_active_users.active_users`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rtcdp.answers.metrics import find_metric
from rtcdp.definitions import Measure, Metric, measure_in_words
from rtcdp.definitions.measures.contract import ValueType
from rtcdp.errors import BadRequest, NotThere, did_you_mean

COLUMNS_MAX = 30

_NUMBERS = ("integer", "real")


@dataclass(frozen=True)
class Value:
    """One measure of a metric."""

    metric: Metric
    measure: Measure

    @property
    def name(self) -> str:
        return f"{self.metric.name}.{self.measure.name}"

    @property
    def is_number(self) -> bool:
        return self.measure.value_type in _NUMBERS


@dataclass(frozen=True)
class QueryColumn:
    """A column of the answer: a value, divided by another one if there is a `to`."""

    of: Value
    to: Value | None = None

    @property
    def name(self) -> str:
        return self.of.name if self.to is None else f"{self.of.name}/{self.to.name}"

    @property
    def values(self) -> tuple[Value, ...]:
        return (self.of,) if self.to is None else (self.of, self.to)

    @property
    def type(self) -> ValueType:
        """What is in it: `integer`, `real`, `text`, or `list` of items with their counts."""
        return self.of.measure.value_type if self.to is None else "real"

    @property
    def is_number(self) -> bool:
        return self.type in _NUMBERS

    @property
    def kind(self) -> str:
        """The measure's word of the vocabulary."""
        return self.of.measure.kind if self.to is None else "ratio"

    @property
    def says(self) -> str:
        """What it is, as a part of a sentence."""
        if self.to is None:
            return measure_in_words(self.of.measure)
        return f"`{self.of.name}` divided by `{self.to.name}`"


def columns_of(metrics: Sequence[Metric], asked: Sequence[str]) -> tuple[QueryColumn, ...]:
    """The columns that some texts ask for, each once; a metric alone asks for all its measures.

    Raises `BadRequest` for none, for more than `COLUMNS_MAX`, and for a ratio of what is no number,
    and `NotThere` for names that nothing has.
    """
    texts = [text.strip() for each in asked for text in each.split(",") if text.strip()]
    if not texts:
        known = ", ".join(metric.name for metric in metrics)
        raise BadRequest(
            "the query doesn't say what to ask for",
            f"send metrics=NAME, or metrics=NAME.MEASURE, of {known}",
        )
    found = {column.name: column for text in texts for column in _columns(metrics, text)}
    if len(found) > COLUMNS_MAX:
        raise BadRequest(
            f"the query has {len(found)} columns", f"ask for {COLUMNS_MAX} at most at a time"
        )
    return tuple(found.values())


def _columns(metrics: Sequence[Metric], text: str) -> Iterator[QueryColumn]:
    one, sign, other = text.partition("/")
    if not sign:
        for value in _values(metrics, one):
            yield QueryColumn(value)
        return
    of, to = (_number(metrics, part) for part in (one, other))
    yield QueryColumn(of, to)


def _number(metrics: Sequence[Metric], text: str) -> Value:
    """The one number that a part of a ratio names."""
    values = _values(metrics, text.strip())
    numbers = [value for value in values if value.is_number]
    if len(numbers) != 1:
        shown = ", ".join(value.name for value in values)
        raise BadRequest(
            f"{text[:100]!r} is not one number, and can't be a part of a ratio",
            f"name one measure that is: {shown}"
            if numbers
            else "divide counts, sums or other numbers",
        )
    return numbers[0]


def _values(metrics: Sequence[Metric], text: str) -> list[Value]:
    name, sign, measure_name = text.partition(".")
    metric = find_metric(metrics, name)
    if not sign:
        return [Value(metric, measure) for measure in metric.measures]
    return [find_value(metric, measure_name)]


def find_value(metric: Metric, measure_name: str) -> Value:
    """The measure of a metric that has a name. Raises `NotThere`."""
    for measure in metric.measures:
        if measure.name == measure_name:
            return Value(metric, measure)
    known = [measure.name for measure in metric.measures]
    raise NotThere(
        f"{metric.name} has no measure {measure_name[:100]!r}",
        f"{did_you_mean(measure_name, known)}ask for one of: "
        + ", ".join(f"{metric.name}.{each}" for each in known),
    )
