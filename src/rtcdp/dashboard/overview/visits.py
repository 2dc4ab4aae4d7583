"""Figures and lists that sessions are counted for, also of those alone that began or ended on some
pages."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rtcdp.answers.fold_rows import Span, open_told, slices_of
from rtcdp.answers.folds import SESSIONS, find_fold
from rtcdp.answers.freshness import Installation
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.figures import Figure, Numbers, Row, ranked
from rtcdp.definitions import MICROS_PER_UNIT

ENDS = ("entry_page", "exit_page")
_STORED = ("page_view_count", "value_units", "value_micros", "converted", *ENDS)
_NOWHERE = "(no page)"

_SUMS: Mapping[str, str] = {
    "sessions": "sessions",
    "views": "page_view_count",
    "revenue": "value",
    "users": "users",
}
_SHARES: Mapping[str, str] = {"conversion": "converted", "bounce": "bounces"}


@dataclass(frozen=True)
class Visits:
    """Sessions that began in the time that is shown, and before: sums by piece, of the closed
    pieces, of those before, and of all; and how many began and ended on which page."""

    buckets: Buckets
    by_piece: Mapping[str, Numbers]
    by_piece_before: Mapping[str, Numbers]
    total: Mapping[str, float]
    closed: Mapping[str, float]
    before: Mapping[str, float]
    ends: Mapping[str, tuple[Row, ...]]
    incomplete: bool
    has_all_before: bool

    def figure(self, figure: Figure) -> Figure:
        """The figure, if sessions tell of it."""
        if figure.name in _SUMS:
            column = _SUMS[figure.name]
            return replace(
                figure,
                values=self.by_piece[column],
                before=self.by_piece_before[column],
                total=self.total[column],
                closed_total=self.closed[column],
                before_total=self.before[column] if self.has_all_before else None,
                incomplete=self.incomplete,
            )
        if figure.name not in _SHARES:
            return figure.but_missing("not told apart by the page that a session began or ended on")
        column = _SHARES[figure.name]
        return replace(
            figure,
            values=_shares(self.by_piece, column),
            before=_shares(self.by_piece_before, column),
            total=_share(self.total, column),
            closed_total=_share(self.closed, column),
            before_total=_share(self.before, column) if self.has_all_before else None,
            incomplete=self.incomplete,
        )


def visits(
    installation: Installation, buckets: Buckets, equals: Mapping[str, tuple[str, ...]]
) -> Visits:
    """Sessions that began between the first and the last edge; with `equals`, those alone whose
    entry or exit page is one of some.

    Raises `BadRequest` for more than are read at once, `NotThere` where the store has no sessions,
    and `StoreUnavailable`.
    """
    fold = find_fold(installation.folds, SESSIONS, SESSIONS)
    with open_told(installation, fold) as told:
        span = told.kept(Span(buckets.before[0], buckets.end))
        rows = pl.concat(_narrow(each, fold.key, equals) for each in slices_of(told, span, _STORED))
    edges = (*buckets.before[:-1], *buckets.edges)
    place = np.searchsorted(np.array(edges), rows["start"].to_numpy(), side="right") - 1
    rows = rows.with_columns(pl.Series("piece", place, pl.Int64))
    count_before, count = len(buckets.before) - 1, len(buckets.starts)
    pieces = rows.group_by("piece").agg(_SUMMED)
    whole = pl.DataFrame({"piece": range(count_before + count)}, {"piece": pl.Int64})
    pieces = whole.join(pieces, on="piece", how="left").fill_null(0).sort("piece")
    shown = rows.filter(pl.col("piece") >= count_before)
    return Visits(
        buckets=buckets,
        by_piece=_columns(pieces[count_before:]),
        by_piece_before=_columns(pieces[:count_before]),
        total=_one(shown),
        closed=_one(shown.filter(pl.col("piece") < count_before + buckets.closed)),
        before=_one(rows.filter(pl.col("piece") < count_before)),
        ends={end: _ranked(shown, end) for end in ENDS},
        incomplete=told.incomplete,
        has_all_before=buckets.has_all_before(told.complete_from),
    )


_MICROS = (pl.col("value_units").sum() * MICROS_PER_UNIT + pl.col("value_micros").sum()).cast(
    pl.Float64
)
_SUMMED = (
    pl.len().cast(pl.Int64).alias("sessions"),
    pl.col("page_view_count").sum(),
    (_MICROS / MICROS_PER_UNIT).alias("value"),
    pl.col("key").n_unique().cast(pl.Int64).alias("users"),
    (pl.col("converted") == 1).sum().cast(pl.Int64).alias("converted"),
    (pl.col("page_view_count") == 1).sum().cast(pl.Int64).alias("bounces"),
)


def _narrow(rows: pl.DataFrame, key: str, equals: Mapping[str, tuple[str, ...]]) -> pl.DataFrame:
    names = [pl.col(name).fill_null(_NOWHERE) for name in ENDS]
    rows = rows.select("start", pl.col(key).alias("key"), *_STORED).with_columns(names)
    for name, texts in equals.items():
        rows = rows.filter(pl.col(name).is_in(texts))
    return rows


def _columns(pieces: pl.DataFrame) -> dict[str, Numbers]:
    return {name: tuple(pieces[name].to_list()) for name in pieces.columns if name != "piece"}


def _one(rows: pl.DataFrame) -> dict[str, float]:
    return {name: value or 0 for name, value in rows.select(_SUMMED).row(0, named=True).items()}


def _share(sums: Mapping[str, float], column: str) -> float | None:
    return sums[column] / sums["sessions"] if sums["sessions"] else None


def _shares(pieces: Mapping[str, Numbers], column: str) -> Numbers:
    pairs = zip(pieces[column], pieces["sessions"], strict=True)
    return tuple((part or 0) / whole if whole else None for part, whole in pairs)


def _ranked(rows: pl.DataFrame, name: str) -> tuple[Row, ...]:
    counts = rows.group_by(name).len().rows()
    return ranked([(str(label), int(count)) for label, count in counts])
