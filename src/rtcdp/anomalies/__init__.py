"""What is out of the ordinary in a series of numbers. Pure: arrays in, arrays out."""

from rtcdp.anomalies.detection import (
    IntArray,
    Judgement,
    Known,
    Series,
    judge,
    judge_since,
    reach,
)
from rtcdp.anomalies.labels import (
    Alarm,
    Found,
    Label,
    Labels,
    Touch,
    Verdict,
    instant_of,
    judge_alarms,
    ms_of,
    read_labels,
    write_labels,
)
from rtcdp.anomalies.runs import FloatArray

__all__ = [
    "Alarm",
    "FloatArray",
    "Found",
    "IntArray",
    "Judgement",
    "Known",
    "Label",
    "Labels",
    "Series",
    "Touch",
    "Verdict",
    "instant_of",
    "judge",
    "judge_alarms",
    "judge_since",
    "ms_of",
    "reach",
    "read_labels",
    "write_labels",
]
