"""All measures that metrics can be made of, one file each."""

from rtcdp.vocabulary.measures.average import Average
from rtcdp.vocabulary.measures.contract import Measure
from rtcdp.vocabulary.measures.count import Count
from rtcdp.vocabulary.measures.distinct import Distinct
from rtcdp.vocabulary.measures.extremes import Maximum, Minimum
from rtcdp.vocabulary.measures.ratio import Ratio
from rtcdp.vocabulary.measures.top import TopK
from rtcdp.vocabulary.measures.total import Sum
from rtcdp.vocabulary.measures.variance import StandardDeviation, Variance

__all__ = [
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
