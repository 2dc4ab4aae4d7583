"""A number over the pieces of a time: one for each piece, for several of them together, and by what
the metric's key tells apart.

All of it is put together from states (`rtcdp.answers.rollup`) of one state of the store: users of
two days are not added up, and a number and the list below it can't disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from rtcdp.answers.enriched import read_as
from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.keeper import keeper_of
from rtcdp.answers.metrics import find_metric, is_incomplete
from rtcdp.answers.query_columns import find_value
from rtcdp.answers.query_rows import values_of
from rtcdp.answers.rollup import (
    Rollup,
    Wanted,
    check_tiles,
    needed_for,
    rolled_up,
    tile_end,
    tile_start,
)
from rtcdp.answers.windows import complete_from_of
from rtcdp.definitions import BUCKET_START, Metric
from rtcdp.errors import BadRequest

Group = tuple[str, ...]
"""A value of each of the metric's key fields."""


@dataclass(frozen=True)
class Pieces:
    """What one metric says of the pieces between `edges` (UTC ms). It is `incomplete` while it is
    being filled; of what began before `complete_from` (UTC ms; None: never) some is missing."""

    metric: Metric
    edges: tuple[int, ...]
    rollup: Rollup
    incomplete: bool
    complete_from: int | None

    def values(
        self,
        measure: str,
        together: Sequence[tuple[int, int]] = (),
        groups: Sequence[Group] | None = None,
    ) -> tuple[Any, ...]:
        """The measure of each piece, and then of all pieces `together` that lie in some times
        [start, end): of all that was counted, or of some groups together."""
        times = [*pairwise(self.edges), *together]

        def numbered(rows: pl.DataFrame) -> pl.DataFrame:
            """Each row as often as there are times that it is in, with their places."""
            of_pieces = _numbered(rows, self.edges)
            if not together:
                return of_pieces
            starts = pl.col(BUCKET_START)
            parts = [
                rows.lazy()
                .filter((starts >= start) & (starts < end))
                .with_columns(pl.lit(place, pl.Int64).alias(BUCKET_START))
                for place, (start, end) in enumerate(together, len(self.edges) - 1)
            ]
            return pl.concat([of_pieces.lazy(), *parts]).collect()

        one = self._only(groups).changed(numbered).merged((BUCKET_START,))
        index = pl.DataFrame({BUCKET_START: range(len(times))}, {BUCKET_START: pl.Int64})
        return tuple(self._final(one, measure, index))

    def total(
        self, measure: str, start: int, end: int, groups: Sequence[Group] | None = None
    ) -> Any:
        """The measure of the pieces that lie in [`start`, `end`), of all of them as one."""
        one = _as_one(self._only(groups), start, end).merged((BUCKET_START,))
        index = pl.DataFrame({BUCKET_START: [start]}, {BUCKET_START: pl.Int64})
        return self._final(one, measure, index)[0]

    def by_group(self, measure: str, start: int, end: int) -> list[tuple[Group, Any]]:
        """The measure of each group that there is in these pieces."""
        one = _as_one(self.rollup, start, end).merged(self.rollup.group)
        index = one.columns.select(one.group)
        values = self._final(one, measure, index)
        groups = index.drop(BUCKET_START).rows() if len(one.group) > 1 else [()] * index.height
        return list(zip(groups, values, strict=True))

    def _only(self, groups: Sequence[Group] | None) -> Rollup:
        if groups is None:
            return self.rollup
        names = self.metric.key_names
        wanted = pl.DataFrame(list(groups), dict.fromkeys(names, pl.String()), orient="row")
        return self.rollup.changed(lambda rows: rows.join(wanted, on=list(names), how="semi"))

    def _final(self, rollup: Rollup, measure: str, index: pl.DataFrame) -> Sequence[Any]:
        return values_of(rollup, self.metric, [measure], index)[measure]


def _numbered(rows: pl.DataFrame, edges: Sequence[int]) -> pl.DataFrame:
    """With the place of the piece that a row is of, for the time that it begins."""
    places = np.searchsorted(np.array(edges[:-1], np.int64), rows[BUCKET_START].to_numpy())
    return rows.with_columns(pl.Series(BUCKET_START, places, pl.Int64))


def _as_one(rollup: Rollup, start: int, end: int) -> Rollup:
    """Of a rollup what lies in [`start`, `end`), to be merged into one piece that begins there."""
    return rollup.changed(
        lambda rows: rows.filter(
            (pl.col(BUCKET_START) >= start) & (pl.col(BUCKET_START) < end)
        ).with_columns(pl.lit(start, pl.Int64).alias(BUCKET_START))
    )


def fits(metric: Metric, edges: Sequence[int]) -> bool:
    """Whether windows of the metric begin at all of the edges."""
    return all(tile_start(metric, edge) == edge for edge in edges)


def whole_windows(metric: Metric, start: int, end: int) -> tuple[int, int]:
    """The shortest time of whole windows of the metric that [`start`, `end`) lies in."""
    last = tile_start(metric, end)
    return tile_start(metric, start), end if last == end else tile_end(metric, last)


def pieces_of(
    installation: Installation, name: str, measures: Sequence[str], edges: Sequence[int]
) -> Pieces:
    """What a metric says of the pieces between some edges, by all of its key.

    Raises `NotThere` for a metric or measure that is not in the catalog, `BadRequest` where windows
    of it don't begin at the edges or it is more than is read at once, and `StoreUnavailable`.
    """
    metric = find_metric(installation.metrics, name)
    check_tiles(metric)
    if not fits(metric, edges):
        edge = next(each for each in edges if tile_start(metric, each) != each)
        raise BadRequest(
            f"{name} is counted in windows that don't begin at {iso_ms(edge)}",
            "ask for a longer time, or another time zone",
        )
    wanted = Wanted(
        needed_for(metric, [find_value(metric, each).measure.name for each in measures]),
        tuple(edges),
        metric.key_names,
    )
    # Asked before the snapshot is taken: a backfill that ends in between is in it entirely.
    keeper = keeper_of(installation, [metric])
    incomplete = is_incomplete(installation.store, metric)
    with open_reading(installation) as reading:
        rollup = rolled_up(reading.snapshot, metric, wanted, keeper)
        complete_from = complete_from_of(read_as(reading.snapshot, metric), metric)
    return Pieces(metric, tuple(edges), rollup, incomplete, complete_from)
