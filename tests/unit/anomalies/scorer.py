"""A scorer of detections on labelled series, of the kind that the Numenta Anomaly Benchmark has
published (Lavin and Ahmad 2015, its standard profile).

Of each labelled span the first detection counts, and more the earlier it is; one outside costs 0.11
at most, less shortly after a span; a span that is missed costs 1. Nothing said at all scores 0,
every span found at its beginning and nothing else 100.
"""

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

RECORDINGS = Path(__file__).parents[2] / "recordings" / "nab-counts"
_PROBATION_SHARE, _PROBATION_MAX = 0.15, 750
_FALSE_ALARM = 0.11


@dataclass(frozen=True)
class Labelled:
    name: str
    instants: np.ndarray
    values: np.ndarray
    spans: list[tuple[int, int]]
    """First and last place of each."""

    @property
    def per_day(self) -> int:
        return round(86_400 / float(np.median(np.diff(self.instants))))

    @property
    def weeks(self) -> float:
        return float(self.instants[-1] - self.instants[0]) / (7 * 86_400)


def labelled_series() -> Iterator[Labelled]:
    spans = json.loads((RECORDINGS / "windows.json").read_text())
    for name, given in spans.items():
        with gzip.open(RECORDINGS / f"{name}.csv.gz", "rt") as file:
            rows = list(csv.reader(file))[1:]
        instants = np.array([_seconds(time) for time, _ in rows])
        values = np.array([float(value) for _, value in rows])
        places = [
            (
                int(np.searchsorted(instants, _seconds(first))),
                int(np.searchsorted(instants, _seconds(last), side="right")) - 1,
            )
            for first, last in given
        ]
        yield Labelled(name, instants, values, places)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def score(detect: Callable[[Labelled], np.ndarray]) -> float:
    """0 to 100 over all series together, below 0 for worse than silence."""
    got = spans = 0.0
    for series in labelled_series():
        points, count = points_of(series, detect(series))
        got, spans = got + points, spans + count
    return 100 * (got + spans) / (2 * spans)


def points_of(series: Labelled, alarms: np.ndarray) -> tuple[float, int]:
    """The points of one series, and how many spans it has that count."""
    probation = min(int(_PROBATION_SHARE * len(alarms)), _PROBATION_MAX)
    spans = [span for span in series.spans if span[1] >= probation]
    points, is_inside = 0.0, np.zeros(len(alarms), bool)
    for first, last in spans:
        is_inside[first : last + 1] = True
        hits = np.flatnonzero(alarms[max(first, probation) : last + 1]) + max(first, probation)
        points += _worth((hits[0] - last) / (last - first)) / _worth(-1) if len(hits) else -1
    for place in np.flatnonzero(alarms & ~is_inside):
        if place < probation:
            continue
        before = [span for span in spans if span[1] < place]
        behind = (place - before[-1][1]) / (before[-1][1] - before[-1][0]) if before else 4.0
        points += _FALSE_ALARM * _worth(float(behind))
    return points, len(spans)


def _worth(position: float) -> float:
    """From 1 at the beginning of a span (-1) over 0 at its end to -1."""
    return -1.0 if position > 3 else float(2 / (1 + np.exp(5 * position)) - 1)
