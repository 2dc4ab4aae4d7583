"""How far a number lies from its mean: variance and standard deviation, exactly.

The squares of values with six decimal places have up to 106 bits. So a value is taken apart into
pieces whose products fit a 64-bit column for a hundred million events of one group, and put
together in Python's integers; one rounding happens, at the end. Sums of squares of doubles would
depend on the order of events, and cancel each other where the mean is large (Chan, Golub and
LeVeque, Algorithms for Computing the Sample Variance, 1983).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, sqrt

from rtcdp.definitions.measures.contract import EventFields, Measure, SqlOf, States
from rtcdp.definitions.measures.exact_sum import (
    MICROS_PER_UNIT,
    micros_column,
    parts_of,
    sum_parts,
    total_micros,
    units_column,
)
from rtcdp.definitions.predicate import Predicate
from rtcdp.definitions.state import Part
from rtcdp.events.derived import Number, field_in_words, number_column, number_in

_UPPER = 2**17
_THOUSANDTH = 1000

_WEIGHTS = {
    ("a", "a"): _UPPER**2 * MICROS_PER_UNIT**2,
    ("a", "b"): 2 * _UPPER * MICROS_PER_UNIT**2,
    ("b", "b"): MICROS_PER_UNIT**2,
    ("a", "m"): 2 * _UPPER * MICROS_PER_UNIT,
    ("b", "m"): 2 * MICROS_PER_UNIT,
    ("c", "c"): _THOUSANDTH**2,
    ("c", "d"): 2 * _THOUSANDTH,
    ("d", "d"): 1,
}
"""A value is (a · 2¹⁷ + b) + m / 10⁶, where m = c · 10³ + d. Its square is the sum of these
products by these weights, in units of 10⁻¹²."""


@dataclass(frozen=True)
class _Spread:
    """What is kept of how far the values of the field lie from their mean."""

    name: str
    field: Number = "value"
    where: Predicate | None = None

    def parts(self) -> tuple[Part, ...]:
        return _parts(self.name, number_column(self.field))

    def of_event(self, event: EventFields) -> Sequence[float | None]:
        return _of_event(number_in(self.field, event))


@dataclass(frozen=True)
class Variance(_Spread, Measure):
    """The population's variance of the field: the mean of the squared distance from the mean; null
    where no event has the field."""

    kind = "variance"

    def final(self, states: States) -> list[object]:
        return [None if found is None else float(found) for found in _variances(states, self.name)]

    def in_sql(self, sql: SqlOf) -> str:
        return _in_sql(self.name, sql)

    def in_words(self) -> str:
        return f"the variance of {field_in_words(self.field)}"


@dataclass(frozen=True)
class StandardDeviation(_Spread, Measure):
    """The square root of the population's variance of the field, in the field's own unit; null
    where no event has the field."""

    kind = "standard_deviation"

    def final(self, states: States) -> list[object]:
        return [None if found is None else sqrt(found) for found in _variances(states, self.name)]

    def in_sql(self, sql: SqlOf) -> str:
        return f"SQRT({_in_sql(self.name, sql)})"

    def in_words(self) -> str:
        return f"the standard deviation of {field_in_words(self.field)}"


def _count_column(name: str) -> str:
    return f"{name}__count"


def _parts(name: str, field: str) -> tuple[Part, ...]:
    units, micros = (part.each for part in sum_parts(name, field))
    upper = f"FLOOR({units} / {_UPPER}e0)"
    thousandths = f"FLOOR({micros} / {_THOUSANDTH}e0)"
    # With an exponent a number is a double in Spark as well, and not a decimal.
    pieces = {
        "a": upper,
        "b": f"({units} - {upper} * {_UPPER}e0)",
        "m": micros,
        "c": thousandths,
        "d": f"({micros} - {thousandths} * {_THOUSANDTH}e0)",
    }
    is_there = f'CASE WHEN "{field}" IS NULL THEN 0 ELSE 1 END'
    return (
        *sum_parts(name, field),
        Part(_count_column(name), "integer", "add", is_there),
        *(
            Part(column, "integer", "add", f"{pieces[one]} * {pieces[other]}")
            for column, (one, other) in _products(name)
        ),
    )


def _products(name: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for one, other in _WEIGHTS:
        yield f"{name}__{one}{other}", (one, other)


def _of_event(value: object) -> Sequence[float | None]:
    if not isinstance(value, float):
        return [0] * (3 + len(_WEIGHTS))
    units, micros = parts_of(value)
    upper, thousandths = floor(units / _UPPER), micros // _THOUSANDTH
    pieces = {
        "a": upper,
        "b": units - upper * _UPPER,
        "m": micros,
        "c": thousandths,
        "d": micros - thousandths * _THOUSANDTH,
    }
    return (units, micros, 1, *(pieces[one] * pieces[other] for one, other in _WEIGHTS))


def _variances(states: States, name: str) -> list[Fraction | None]:
    counts = states.columns[_count_column(name)].to_list()
    squares = [0] * len(counts)
    for column, product in _products(name):
        for row, total in enumerate(states.columns[column].to_list()):
            squares[row] += _WEIGHTS[product] * total
    return [
        Fraction(square * count - total * total, (count * MICROS_PER_UNIT) ** 2) if count else None
        for square, total, count in zip(squares, total_micros(states, name), counts, strict=True)
    ]


def _in_sql(name: str, sql: SqlOf) -> str:
    """The mean of squares less the square of the mean, all of them of the distances from a whole
    number near the mean: what the database adds up in doubles is then as small as the spread. What
    is nothing may still come out below it, of which PostgreSQL takes no root."""

    def exact(column: str) -> str:
        return f"CAST({sql.column(column)} AS {sql.exact})"

    def product(of: str) -> str:
        return exact(f"{name}__{of}")

    count, units, micros = map(
        exact, (_count_column(name), units_column(name), micros_column(name))
    )
    near = f"CAST(CAST({sql.column(units_column(name))} AS {sql.real}) / {count} AS {sql.integer})"
    near = f"CAST({near} AS {sql.exact})"
    squares = f"{product('bb')} + {2 * _UPPER} * {product('ab')} + {_UPPER**2} * {product('aa')}"
    squares = f"{squares} - 2 * {near} * {units} + {count} * {near} * {near}"
    crossed = f"{product('bm')} + {_UPPER} * {product('am')} - {near} * {micros}"
    small = f"{_THOUSANDTH**2} * {product('cc')} + {2 * _THOUSANDTH} * {product('cd')}"
    small = f"{small} + {product('dd')}"
    distance = f"({units} - {count} * {near}) * {MICROS_PER_UNIT} + {micros}"
    mean = f"(CAST({distance} AS {sql.real}) / ({count} * {MICROS_PER_UNIT}))"
    found = (
        f"((CAST({squares} AS {sql.real}) + 2 * CAST({crossed} AS {sql.real}) / {MICROS_PER_UNIT}"
        f" + CAST({small} AS {sql.real}) / {MICROS_PER_UNIT**2}) / {count} - {mean} * {mean})"
    )
    above = f"CASE WHEN {found} > 0 THEN {found} ELSE 0.0 END"
    return f"CASE WHEN {sql.column(_count_column(name))} > 0 THEN {above} END"
