"""What is out of the ordinary in a series of numbers. Pure: arrays in, arrays out."""

from rtcdp.anomalies.detection import (
    FloatArray,
    IntArray,
    Judgement,
    Series,
    judge,
    reach,
)

__all__ = ["FloatArray", "IntArray", "Judgement", "Series", "judge", "reach"]
