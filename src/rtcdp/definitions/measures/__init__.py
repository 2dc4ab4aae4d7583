"""All measures that metrics can be made of, one file each."""

from rtcdp.definitions.measures.average import Average
from rtcdp.definitions.measures.contract import Measure
from rtcdp.definitions.measures.count import Count
from rtcdp.definitions.measures.distinct import Distinct
from rtcdp.definitions.measures.ends import First, Last
from rtcdp.definitions.measures.extremes import Maximum, Minimum
from rtcdp.definitions.measures.quantile import Quantile
from rtcdp.definitions.measures.ratio import Ratio
from rtcdp.definitions.measures.top import TopK
from rtcdp.definitions.measures.total import Sum
from rtcdp.definitions.measures.variance import StandardDeviation, Variance

__all__ = [
    "Average",
    "Count",
    "Distinct",
    "First",
    "Last",
    "Maximum",
    "Measure",
    "Minimum",
    "Quantile",
    "Ratio",
    "StandardDeviation",
    "Sum",
    "TopK",
    "Variance",
]
