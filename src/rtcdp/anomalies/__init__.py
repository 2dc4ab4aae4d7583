"""What is out of the ordinary in a series of numbers. Pure: arrays in, arrays out."""

from rtcdp.anomalies.detection import (
    FloatArray,
    IntArray,
    Judgement,
    Series,
    judge,
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

__all__ = [
    "Alarm",
    "FloatArray",
    "Found",
    "IntArray",
    "Judgement",
    "Label",
    "Labels",
    "Series",
    "Touch",
    "Verdict",
    "instant_of",
    "judge",
    "judge_alarms",
    "ms_of",
    "reach",
    "read_labels",
    "write_labels",
]
