"""Figures and lists that sessions are counted for, also of those alone that began or ended on some
pages, or had some page or product in them.

Shares are of sessions that are over, which no event can change any more: of one that goes on nobody
knows yet whether it will have a second page, or a purchase. How many go on is said beside them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rtcdp.answers.fold_rows import Told, open_told
from rtcdp.answers.folds import SESSIONS, find_fold
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import EARLIEST
from rtcdp.answers.kept_days import ENTRY_BYTES, KeptDays, Stretch, detached
from rtcdp.answers.kept_rows import Part, parts_kept, rows_kept
from rtcdp.dashboard.overview.buckets import Buckets
from rtcdp.dashboard.overview.contents import CONTENTS, longest_ms, with_contents
from rtcdp.dashboard.overview.figures import Figure, Numbers, Row, ranked
from rtcdp.definitions import Fold, in_polars

ENDS = ("entry_page", "exit_page")
_STORED = ("end", "page_view_count", "converted", *ENDS)
_NOWHERE = "(no page)"

_SUMS: Mapping[str, str] = {
    "sessions": "sessions",
    "views": "page_view_count",
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
            return figure.but_missing("not told apart by the pages and products of sessions")
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
    entry or exit page is one of some, or that had one of some pages or products in them. Shares are
    those of sessions that are over.

    Raises `BadRequest` for more than are read at once, `NotThere` where the store has no sessions,
    and `StoreUnavailable`.
    """
    fold = find_fold(installation.folds, SESSIONS, SESSIONS)
    edges = (*buckets.before[:-1], *buckets.edges)
    count_before, last = len(buckets.before) - 1, len(edges) - 1
    with open_told(installation, fold) as told:
        asked = _Asked(installation.days, told, edges, buckets.start)
        users: _Users | None = None
        if equals:
            rows = asked.rows(installation, equals)
            users = _Users(rows, edges)
            parts = [asked.summed(rows, Stretch(None, edges[0], edges[-1]))]
        else:
            parts = list(asked.parts())
    pieces = _by_piece(parts, edges)

    def together(first: int, after: int) -> dict[str, float]:
        sums: dict[str, float] = {name: sum(pieces[name][first:after]) for name in _SUMMED}
        return sums if users is None else {**sums, "users": users.between(first, after)}

    columns = _columns(pieces, users)
    shown = [part for part in parts if part.end > buckets.start] or parts[-1:]
    return Visits(
        buckets=buckets,
        by_piece={name: each[count_before:] for name, each in columns.items()},
        by_piece_before={name: each[:count_before] for name, each in columns.items()},
        total=together(count_before, last),
        closed=together(count_before, count_before + buckets.closed),
        before=together(0, count_before),
        ends={end: _ranked([each.ends[end] for each in shown], end) for end in ENDS},
        incomplete=told.incomplete,
        has_all_before=buckets.has_all_before(told.complete_from),
    )


@dataclass(frozen=True)
class _Part:
    """What sessions of a part of the time come to: of each of `starts`, where pieces of it begin
    (UTC ms), the sums at a `watermark`; and how many began and ended on which page, if the time
    that is shown begins within it, since then. From the watermark `over_from` on all of them are
    over, and the sums stay as they are."""

    starts: tuple[int, ...]
    end: int
    sums: Mapping[str, tuple[int, ...]]
    ends: Mapping[str, pl.DataFrame]
    watermark: int
    over_from: int

    def holds_at(self, watermark: int) -> bool:
        """Whether these are the sums at this watermark as well."""
        return watermark == self.watermark or self.over_from <= min(watermark, self.watermark)

    @property
    def size(self) -> int:
        """How many bytes it takes, about."""
        counted = sum(int(each.estimated_size()) for each in self.ends.values())
        return ENTRY_BYTES + counted + _NUMBER_BYTES * len(self.starts) * (1 + len(self.sums))


@dataclass(frozen=True)
class _Asked:
    """What is to be summed up: between which edges, of which those from `shown_from` on are shown,
    and where it is kept."""

    days: KeptDays
    told: Told
    edges: tuple[int, ...]
    shown_from: int

    @property
    def span(self) -> tuple[int, int]:
        return self.edges[0], self.edges[-1]

    @property
    def watermark(self) -> int:
        return EARLIEST if self.told.watermark is None else self.told.watermark

    def rows(
        self, installation: Installation, equals: Mapping[str, tuple[str, ...]]
    ) -> pl.DataFrame:
        """The sessions, by when they began."""
        start, end = self.span
        contents = {name: texts for name, texts in equals.items() if name in CONTENTS}
        # What comes after the end may be of a session that began before it, or of another one.
        until = end + longest_ms(self.told.fold) if contents else end
        rows = rows_kept(self.days, self.told, (start, until), _STORED, _narrowed).sort("start")
        rows = with_contents(installation, self.told.fold, rows, (start, until), contents)
        for name in equals.keys() - contents.keys():
            rows = rows.filter(pl.col(name).is_in(equals[name]))
        return rows.filter(pl.col("start") < end)

    def parts(self) -> Iterator[_Part]:
        """The sums of each part of the time. Those of a day on which all sessions are over are
        kept: as long as the day is the same, so are they."""
        fold = self.told.fold
        asked = (fold.name, fold.fingerprint)
        for part in parts_kept(self.days, self.told, self.span, _STORED, _narrowed):
            if part.mark is None:
                yield self.summed(part.rows(), part.stretch)
                continue
            stretch = part.stretch
            name = (*asked, self.starts_in(stretch), stretch.end, self.shown_in(stretch))
            found = self.days.get(name, part.mark, partial(self._to_keep, part))
            yield found if found.holds_at(self.watermark) else self._to_keep(part)[0]

    def _to_keep(self, part: Part) -> tuple[_Part, int | None]:
        summed = self.summed(part.rows(), part.stretch)
        return summed, summed.size if summed.over_from <= self.watermark else None

    def shown_in(self, stretch: Stretch) -> int:
        """From when on sessions of a stretch are shown, if any are."""
        is_cut = stretch.start < self.shown_from < stretch.end
        return self.shown_from if is_cut else stretch.start

    def starts_in(self, stretch: Stretch) -> tuple[int, ...]:
        """Where pieces of a stretch begin: with it, or at an edge in it."""
        after = bisect_right(self.edges, stretch.start)
        return (stretch.start, *self.edges[after : bisect_left(self.edges, stretch.end)])

    def summed(self, rows: pl.DataFrame, stretch: Stretch) -> _Part:
        """What rows come to, in whatever order they were read."""
        rows = rows if rows["start"].is_sorted() else rows.sort("start")
        starts, began = self.starts_in(stretch), rows["start"].to_numpy()
        places = np.searchsorted(began, np.array([*starts, stretch.end]))
        over_from = rows["over_from"].to_numpy()
        is_over = over_from <= self.watermark
        views = rows["page_view_count"].to_numpy()
        columns = {
            "sessions": np.ones(rows.height, np.int64),
            "page_view_count": views,
            "over": is_over,
            "converted": is_over & rows["is_converted"].to_numpy(),
            "bounces": is_over & (views == 1),
        }
        shown = rows[int(np.searchsorted(began, self.shown_in(stretch))) :]
        return _Part(
            starts,
            stretch.end,
            {name: _between(each, places) for name, each in columns.items()},
            {end: detached(shown.group_by(end).len(name=_COUNT)) for end in ENDS},
            self.watermark,
            int(over_from.max()) if rows.height else EARLIEST,
        )


def _between(values: NDArray[Any], places: NDArray[np.intp]) -> tuple[int, ...]:
    """The sums of the values from each place to the next."""
    sums = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])[places]
    return tuple(np.diff(sums).tolist())


def _by_piece(parts: Sequence[_Part], edges: Sequence[int]) -> dict[str, list[int]]:
    """The sums of each piece, of which several parts may tell."""
    found = {name: [0] * (len(edges) - 1) for name in _SUMMED}
    for part in parts:
        places = [bisect_right(edges, start) - 1 for start in part.starts]
        for name, pieces in found.items():
            for place, value in zip(places, part.sums[name], strict=True):
                pieces[place] += value
    return found


class _Users:
    """How many different users there are among rows, which are sorted by when sessions began."""

    def __init__(self, rows: pl.DataFrame, edges: Sequence[int]) -> None:
        self._users = rows["user"].to_numpy()
        self._places = np.searchsorted(rows["start"].to_numpy(), np.array(edges)).tolist()

    def between(self, first: int, after: int) -> int:
        """In the pieces from the first to the one before `after`."""
        return len(np.unique(self._users[self._places[first] : self._places[after]]))

    def by_piece(self) -> tuple[int, ...]:
        return tuple(self.between(place, place + 1) for place in range(len(self._places) - 1))


def _narrowed(fold: Fold, rows: pl.DataFrame) -> pl.DataFrame:
    """Of each session what figures are made of, in few bytes."""
    view = fold.table.view
    settled = None if view is None or view.settled is None else in_polars(view.settled)
    return rows.select(
        "start",
        pl.col(fold.key).hash().alias("user"),
        (pl.lit(0, pl.Int64) if settled is None else settled.cast(pl.Int64)).alias("over_from"),
        pl.col("page_view_count").cast(pl.Int32),
        (pl.col("converted") == 1).alias("is_converted"),
        *(pl.col(name).fill_null(_NOWHERE) for name in ENDS),
    ).sort("start")


_SUMMED = ("sessions", "page_view_count", "over", "converted", "bounces")
_COUNT = "count"
_NUMBER_BYTES = 40


def _columns(pieces: Mapping[str, Sequence[int]], users: _Users | None) -> dict[str, Numbers]:
    found: dict[str, Numbers] = {name: tuple(each) for name, each in pieces.items()}
    return found if users is None else {**found, "users": users.by_piece()}


def _share(sums: Mapping[str, float], column: str) -> float | None:
    return sums[column] / sums["over"] if sums["over"] else None


def _shares(pieces: Mapping[str, Numbers], column: str) -> Numbers:
    pairs = zip(pieces[column], pieces["over"], strict=True)
    return tuple((part or 0) / whole if whole else None for part, whole in pairs)


def _ranked(parts: Sequence[pl.DataFrame], name: str) -> tuple[Row, ...]:
    """The pages with the most sessions in all parts."""
    counts = pl.concat(parts).group_by(name).agg(pl.col(_COUNT).sum()).rows()
    return ranked([(str(label), int(count)) for label, count in counts])
