"""Where metrics take their measures from."""

from rtcdp.vocabulary.measures import (
    Average,
    Count,
    Distinct,
    Maximum,
    Measure,
    Minimum,
    Ratio,
    StandardDeviation,
    Sum,
    TopK,
    Variance,
)
from rtcdp.vocabulary.measures.distinct import DISTINCT_EXACT_UP_TO
from rtcdp.vocabulary.measures.exact_sum import MICROS_PER_UNIT
from rtcdp.vocabulary.measures.top import TOP_EXACT_UP_TO

__all__ = [
    "DISTINCT_EXACT_UP_TO",
    "MICROS_PER_UNIT",
    "TOP_EXACT_UP_TO",
    "Average",
    "Count",
    "Distinct",
    "Maximum",
    "Measure",
    "Minimum",
    "Ratio",
    "StandardDeviation",
    "Sum",
    "TopK",
    "Variance",
]
