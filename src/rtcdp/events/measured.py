"""What measures keep of one event, where that is neither a field nor a sum: its value with its
time before it, and the range of a sketch that its value falls into."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rtcdp.events.derived import (
    Batch,
    Derived,
    Fields,
    Number,
    Text,
    add_kind,
    derived,
    number_column,
    number_in,
    number_of_column,
    number_text,
    text_column,
    text_in,
)
from rtcdp.events.event import MAX_ABSOLUTE_VALUE

SKETCH_ERROR = 0.01
"""How far a value that is read from a sketch lies from the true one, at most, as a share of it."""

SKETCH_ZERO = 1e-6
"""What is nearer to zero is zero to a sketch."""

_TIME_DIGITS, _TIME_SHIFT = 15, 10**14
"""Every time that an event can have, shifted, has as many digits, so that texts sort by it."""


@dataclass(frozen=True)
class Dated(Derived):
    """A text or number as text, after its event's time: the smallest is the first by time."""

    of: Text | Number

    @property
    def is_number(self) -> bool:
        return self.of == "value"

    @property
    def column(self) -> str:
        return f"dated:{text_column(self.of)}"

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.of,) if isinstance(self.of, str) else self.of.fields

    def of_batch(self, batch: Batch) -> pl.Series:
        values = batch.column(text_column(self.of))
        if values.dtype == pl.Float64:
            texts = [None if value is None else number_text(value) for value in values]
            values = pl.Series(texts, dtype=pl.String)
        times = batch.frame["timestamp"] + _TIME_SHIFT
        return times.cast(pl.String).str.zfill(_TIME_DIGITS) + values

    def of_event(self, event: Fields) -> str | None:
        value, instant = text_in(self.of, event), event["timestamp"]
        if value is None:
            return None
        assert isinstance(instant, int)
        text = number_text(value) if isinstance(value, float) else str(value)
        return f"{instant + _TIME_SHIFT:0{_TIME_DIGITS}d}{text}"

    def value_in(self, dated: str | None) -> str | float | None:
        """The value that stands after the time."""
        if dated is None:
            return None
        return float(dated[_TIME_DIGITS:]) if self.is_number else dated[_TIME_DIGITS:]

    def value_in_sql(self, dated: str) -> str:
        """The same as SQL, as text."""
        return f"SUBSTR({dated}, {_TIME_DIGITS + 1})"


@dataclass(frozen=True)
class Sketched(Derived):
    """The number of the range that a number falls into, as text: ranges grow with their distance
    from zero, so that any value of one tells any other with an error of 1 % at most (Masson, Rim
    and Lee, DDSketch, 2019). Counts of ranges add up in any order."""

    of: Number

    @property
    def column(self) -> str:
        return f"sketched:{number_column(self.of)}"

    @property
    def fields(self) -> tuple[str, ...]:
        return ("value",) if isinstance(self.of, str) else self.of.fields

    def of_batch(self, batch: Batch) -> pl.Series:
        numbers = batch.column(number_column(self.of))
        values = numbers.fill_null(0).to_numpy()
        ranges = np.searchsorted(_BOUNDS_ARRAY, np.abs(values), side="left")
        signed = pl.Series(np.where(values < 0, -ranges, ranges), dtype=pl.Int64)
        return signed.cast(pl.String).zip_with(numbers.is_not_null(), _NO_TEXT)

    def of_event(self, event: Fields) -> str | None:
        number = number_in(self.of, event)
        if number is None:
            return None
        found = bisect_left(_BOUNDS, abs(number))
        return str(-found if number < 0 else found)


def sketched_value(number: int) -> float:
    """The value that stands for a range of a sketch."""
    if number == 0:
        return 0.0
    value = _BOUNDS[abs(number)] * (1 - SKETCH_ERROR)
    return value if number > 0 else -value


def sketched_value_in_sql(number: str, real: str) -> str:
    """The same in SQL, the last digits aside."""
    growth = (1 + SKETCH_ERROR) / (1 - SKETCH_ERROR)
    nearest = f"CAST({SKETCH_ZERO * (1 - SKETCH_ERROR)!r} AS {real})"
    value = f"{nearest} * POWER(CAST({growth!r} AS {real}), ABS({number}))"
    return f"CASE WHEN {number} = 0 THEN 0.0 WHEN {number} > 0 THEN {value} ELSE -{value} END"


def _bounds() -> Sequence[float]:
    """The upper ends of the ranges above zero, each multiplied from the one before: powers are
    not the same to the last digit everywhere."""
    growth = (1 + SKETCH_ERROR) / (1 - SKETCH_ERROR)
    bounds = [SKETCH_ZERO]
    while bounds[-1] < MAX_ABSOLUTE_VALUE:
        bounds.append(bounds[-1] * growth)
    return bounds


_BOUNDS = _bounds()
_BOUNDS_ARRAY = np.array(_BOUNDS)
_NO_TEXT = pl.Series([None], dtype=pl.String)


def _dated_of(column: str) -> Dated:
    found = derived(column)
    return Dated(column if found is None else found)  # type: ignore[arg-type]


add_kind("dated", _dated_of)
add_kind("sketched", lambda column: Sketched(number_of_column(column)))
