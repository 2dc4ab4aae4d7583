"""A batch cut in the order in which its records were decided, into parts that can be counted one
after the other.

Wherever counting stops between two parts, what is counted are the records that were decided first:
so whoever goes on, on whichever engine, finds every earlier record of an id among the recorded
verdicts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from rtcdp.engines.spark.exchange import NEVER, Int64Array


@dataclass(frozen=True)
class Part:
    """Some of a batch: by partition the offsets `[start, end)`. `places` (`PLACES_SCHEMA`) are its
    records in the order of decision, if anybody has asked for them."""

    ranges: Mapping[int, tuple[int, int]]
    places: pl.DataFrame | None = None

    @property
    def record_count(self) -> int:
        """Of a part with places."""
        return 0 if self.places is None else self.places.height


def in_decision_order(places: pl.DataFrame) -> pl.DataFrame:
    """Places in the order in which the records were decided: by due time, then by partition and
    offset."""
    ordered = places.sort("partition", "offset")
    times = ordered["received_at"].to_numpy()
    due = np.where(times > 0, times, NEVER)
    partitions = ordered["partition"].to_numpy()
    dues = [np.minimum.accumulate(due[rows][::-1])[::-1] for rows in _rows_by_partition(partitions)]
    order = np.lexsort(
        (ordered["offset"].to_numpy(), partitions, np.concatenate([np.empty(0, np.int64), *dues]))
    )
    return ordered[order]


def cut(part: Part, borders: list[int]) -> Iterator[Part]:
    """The part cut before these of its places, which are sorted and lie within it."""
    assert part.places is not None
    starts = {partition: start for partition, (start, _) in part.ranges.items()}
    for first, stop in zip([0, *borders], [*borders, part.places.height], strict=True):
        places = part.places[first:stop]
        reached = dict(places.group_by("partition").agg(pl.col("offset").max() + 1).rows())
        is_last = stop == part.places.height
        ends = {
            partition: end if is_last else max(starts[partition], reached.get(partition, 0))
            for partition, (_, end) in part.ranges.items()
        }
        yield Part({each: (starts[each], ends[each]) for each in ends}, places)
        starts = ends


def halves(part: Part) -> Iterator[Part]:
    """The first half of the records, and the others; two records at least."""
    return cut(part, [part.record_count // 2])


def bounded(part: Part, bytes_max: int) -> Iterator[Part]:
    """The part cut so that the records of each weigh no more than `bytes_max`, or are one."""
    assert part.places is not None
    sums = part.places["bytes"].cum_sum().to_numpy()
    borders: list[int] = []
    taken = 0
    while len(sums) and sums[-1] - taken > bytes_max:
        border = int(np.searchsorted(sums, taken + bytes_max, side="right"))
        border = max(border, (borders[-1] if borders else 0) + 1)
        if border >= len(sums):
            break
        borders.append(border)
        taken = int(sums[border - 1])
    return cut(part, borders)


def _rows_by_partition(partitions: Int64Array) -> list[npt.NDArray[np.intp]]:
    borders = np.flatnonzero(partitions[1:] != partitions[:-1]) + 1
    return np.split(np.arange(len(partitions)), borders) if len(partitions) else []
