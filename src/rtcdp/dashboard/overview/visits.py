"""Figures and lists that sessions are counted for, also of those alone that began or ended on some
pages.

Shares are of sessions that are over, which no event can change any more: of one that goes on nobody
knows yet whether it will have a second page, or a purchase. How many go on is said beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl

from rtcdp.answers.fold_rows import open_told
from rtcdp.answers.folds import SESSIONS, find_fold
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import EARLIEST
from rtcdp.answers.kept_rows import rows_kept
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.figures import Figure, Numbers, Row, ranked
from rtcdp.definitions import MICROS_PER_UNIT, Fold, in_polars

ENDS = ("entry_page", "exit_page")
_STORED = ("end", "page_view_count", "value_units", "value_micros", "converted", *ENDS)
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
        column = _SUMS.get(figure.name)
        if column is not None and column in self.total:
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
        going_on = round(self.total["sessions"] - self.total["over"])
        return replace(
            figure,
            note=f"{going_on:,} still going on" if going_on else None,
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
    entry or exit page is one of some. Shares are those of sessions that are over.

    Raises `BadRequest` for more than are read at once, `NotThere` where the store has no sessions,
    and `StoreUnavailable`.
    """
    fold = find_fold(installation.folds, SESSIONS, SESSIONS)
    with open_told(installation, fold) as told:
        span = (buckets.before[0], buckets.end)
        rows = rows_kept(installation.days, told, span, _STORED, _narrowed)
    for name, texts in equals.items():
        rows = rows.filter(pl.col(name).is_in(texts))
    edges = (*buckets.before[:-1], *buckets.edges)
    count_before, last = len(buckets.before) - 1, len(edges) - 1
    # In the order of their beginnings, so that pieces lie side by side.
    rows = rows if rows["start"].is_sorted() else rows.sort("start")
    places = np.searchsorted(rows["start"].to_numpy(), np.array(edges)).tolist()
    pieces = [_summed(rows[at:after], told.watermark) for at, after in pairwise(places)]

    def together(first: int, after: int) -> dict[str, float]:
        sums = {name: sum(each[name] for each in pieces[first:after]) for name in _SUMMED}
        sums["value"] = sums["micros"] / MICROS_PER_UNIT
        if equals:
            sums["users"] = rows[places[first] : places[after]]["user"].n_unique()
        return sums

    if equals:
        for sums, (at, after) in zip(pieces, pairwise(places), strict=True):
            sums["users"] = rows[at:after]["user"].n_unique()
    shown = rows[places[count_before] : places[last]]
    return Visits(
        buckets=buckets,
        by_piece=_columns(pieces[count_before:]),
        by_piece_before=_columns(pieces[:count_before]),
        total=together(count_before, last),
        closed=together(count_before, count_before + buckets.closed),
        before=together(0, count_before),
        ends={end: _ranked(shown, end) for end in ENDS},
        incomplete=told.incomplete,
        has_all_before=buckets.has_all_before(told.complete_from),
    )


def _narrowed(fold: Fold, rows: pl.DataFrame) -> pl.DataFrame:
    """Of each session what figures are made of, in few bytes."""
    view = fold.table.view
    settled = None if view is None or view.settled is None else in_polars(view.settled)
    return rows.select(
        "start",
        pl.col(fold.key).hash().alias("user"),
        (pl.lit(0, pl.Int64) if settled is None else settled.cast(pl.Int64)).alias("over_from"),
        pl.col("page_view_count").cast(pl.Int32),
        "value_units",
        "value_micros",
        (pl.col("converted") == 1).alias("is_converted"),
        *(pl.col(name).fill_null(_NOWHERE) for name in ENDS),
    ).sort("start")


_SUMMED = ("sessions", "page_view_count", "micros", "over", "converted", "bounces")


def _summed(rows: pl.DataFrame, watermark: int | None) -> dict[str, float]:
    """What the sessions of one piece come to; those are over that the list of sessions calls so."""
    is_over = rows["over_from"] <= (EARLIEST if watermark is None else watermark)
    micros = int(rows["value_units"].sum()) * MICROS_PER_UNIT + int(rows["value_micros"].sum())
    return {
        "sessions": rows.height,
        "page_view_count": int(rows["page_view_count"].sum()),
        "micros": micros,
        "value": micros / MICROS_PER_UNIT,
        "over": int(is_over.sum()),
        "converted": int((is_over & rows["is_converted"]).sum()),
        "bounces": int((is_over & (rows["page_view_count"] == 1)).sum()),
    }


def _columns(pieces: Sequence[Mapping[str, float]]) -> dict[str, Numbers]:
    names = pieces[0] if pieces else dict.fromkeys((*_SUMMED, "value", "users"))
    return {name: tuple(each[name] for each in pieces) for name in names}


def _share(sums: Mapping[str, float], column: str) -> float | None:
    return sums[column] / sums["over"] if sums["over"] else None


def _shares(pieces: Mapping[str, Numbers], column: str) -> Numbers:
    pairs = zip(pieces[column], pieces["over"], strict=True)
    return tuple((part or 0) / whole if whole else None for part, whole in pairs)


def _ranked(rows: pl.DataFrame, name: str) -> tuple[Row, ...]:
    counts = rows.group_by(name).len().rows()
    return ranked([(str(label), int(count)) for label, count in counts])
