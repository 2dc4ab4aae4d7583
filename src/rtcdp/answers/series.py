"""A metric as series: the number of each window, one after the other, by key and overall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rtcdp.anomalies import FloatArray, IntArray, Series, reach
from rtcdp.answers.enriched import read_as
from rtcdp.answers.keeper import Keeper
from rtcdp.answers.series_days import (
    COUNT,
    DAY,
    VALUE,
    Key,
    Windows,
    WindowsWanted,
    newest_windows,
    step_ms,
)
from rtcdp.answers.windows import complete_from_of
from rtcdp.clock import DAY_MS
from rtcdp.definitions import BUCKET_START, Measure, Metric, Window, tables_of
from rtcdp.events.event import MIN_TIMESTAMP_MS
from rtcdp.store import Scan, StoreSnapshot

ROWS_MAX = 1_000_000
"""So many windows of all keys are read of a metric for one answer; where there are more, what is
compared with begins later."""

WINDOWS_MAX = 200_000
"""So many windows a series has at most: with those that have no events, minutes since long ago
would be more than memory holds. What is older is left out."""

KEYS_MAX = 50
"""Of the keys, those with the most on a day (UTC) and the one before it; the others are counted."""


@dataclass(frozen=True)
class Wanted:
    """Which series: of `measure`, with these key fields equal to any of some texts, up to windows
    that start before `start_to` (UTC ms); those that start at `start_from` or later are to be
    judged. What starts before `final_until` less its length can't change any more. `begin` (UTC ms)
    is where history begins, if it is to begin later than it could."""

    measure: Measure
    equals: Mapping[str, tuple[str, ...]]
    start_from: int
    start_to: int | None
    final_until: int
    begin: int | None = None


@dataclass(frozen=True)
class KeyedSeries:
    """The series of one key, from its first window on; all keys together where `key` is None.
    `starts` (UTC ms) are those of its windows. On `days` (counted from 1970, by UTC) it is one of
    the largest; None stands for all days."""

    key: tuple[str, ...] | None
    starts: IntArray
    series: Series
    days: frozenset[int] | None = None

    def is_watched(self, place: int) -> bool:
        """Whether the window at `place` is one to tell of."""
        return self.days is None or int(self.starts[place]) // DAY_MS in self.days


@dataclass(frozen=True)
class SeriesFound:
    """`left_out` keys have windows to judge, and too little on each of these days. `cut_at` (UTC
    ms) is where they begin if `ROWS_MAX` or `WINDOWS_MAX` cut them, and `begin` the same where
    history is missing for that: by `ROWS_MAX`. Windows from `judge_from` on are to be judged: those
    that were asked for, but none that `WINDOWS_MAX` has taken the history of."""

    items: tuple[KeyedSeries, ...] = ()
    left_out: int = 0
    cut_at: int | None = None
    begin: int | None = None
    judge_from: int = 0


def series_of(
    snapshot: StoreSnapshot, metric: Metric, wanted: Wanted, keeper: Keeper | None = None
) -> SeriesFound:
    """The series of a metric, with the history that judging them takes.

    Windows that overlap are taken so that they don't: each event is in one. With a `keeper`, days
    that were read before and are the same are not read again. Raises `StoreUnavailable`.
    """
    reach_ms = reach(_per_day(metric)) * step_ms(metric)
    # Nothing is older than an event can be.
    read_from = max(wanted.start_from - reach_ms, MIN_TIMESTAMP_MS)
    found = _read(snapshot, metric, wanted, read_from, keeper)
    if not found.parts:
        return SeriesFound()
    snapshot = read_as(snapshot, metric)
    last = max(found.newest, _last_final(metric, wanted))
    if wanted.start_to is not None:
        last = min(last, wanted.start_to - 1)
    border = last - (WINDOWS_MAX - 1) * step_ms(metric)
    is_long = border > read_from
    starts = _starts(metric, max(border, found.begin, wanted.begin or found.begin), last)
    if not len(starts) or not found.has_any(int(starts[0]), int(starts[-1])):
        return SeriesFound()
    names = list(metric.key_names)
    days = _days_of(found.parts, names)
    final_count = int(np.searchsorted(starts, _last_final(metric, wanted), side="right"))

    def keyed(key: Key | None) -> KeyedSeries:
        values, first = _values(metric, starts, found.parts, key)
        # It begins with its first window, and not where reading began.
        first = (
            0 if _is_older(snapshot, metric, key, (found.complete_from, int(starts[0]))) else first
        )
        series = Series(values[first:], _per_day(metric), max(0, final_count - first))
        on_days = None if key is None else days.get(key)
        return KeyedSeries(key, starts[first:], series, on_days)

    cut_at = int(starts[0]) if found.is_cut or is_long else None
    begin_of_rest = wanted.begin or (int(starts[0]) if found.is_cut else None)
    judge_from = border + reach_ms if is_long else wanted.start_from
    if not names:
        return SeriesFound((keyed(None),), 0, cut_at, begin_of_rest, judge_from)
    keys, left_out = _largest(found.parts, (int(starts[0]), int(starts[-1])), days, judge_from)
    overall = [] if wanted.equals else [keyed(None)]
    by_key = [keyed(key) for key in keys]
    return SeriesFound((*overall, *by_key), left_out, cut_at, begin_of_rest, judge_from)


@dataclass(frozen=True)
class _Found:
    """What was read, none of it empty, the oldest first; `begin` (UTC ms) is where it is whole
    from, and so may be told of. Before `complete_from` (UTC ms) the store has not all of it."""

    parts: tuple[Windows, ...]
    begin: int
    is_cut: bool
    complete_from: int | None

    @property
    def newest(self) -> int:
        """When the last window begins (UTC ms)."""
        return max(int(part.starts.max()) for part in self.parts)

    def has_any(self, first: int, last: int) -> bool:
        """Whether a window begins in that time, both included."""
        return any(((part.starts >= first) & (part.starts <= last)).any() for part in self.parts)


def _read(
    snapshot: StoreSnapshot, metric: Metric, wanted: Wanted, read_from: int, keeper: Keeper | None
) -> _Found:
    complete_from = complete_from_of(read_as(snapshot, metric), metric)
    windows = WindowsWanted(
        measure=wanted.measure,
        equals=wanted.equals,
        start=max(read_from, complete_from or read_from),
        end=None if wanted.start_to is None else _end_of_day(wanted.start_to, metric),
    )
    if wanted.begin is not None:
        keeper = None
    parts, is_cut = newest_windows(snapshot, metric, windows, ROWS_MAX, keeper)
    begin = read_from
    if wanted.begin is not None:
        parts = _since(parts, wanted.begin)
    if is_cut and parts:
        begin = min(int(part.starts.min()) for part in parts)
        midnight = -(-begin // DAY_MS) * DAY_MS
        if wanted.begin is None and midnight <= wanted.start_from:
            # Where history is cut makes a difference to what is said. That doesn't move along with
            # each window that is new.
            parts, begin = _since(parts, midnight), midnight
    return _Found(tuple(parts), begin, is_cut, complete_from)


def _since(parts: Sequence[Windows], start: int) -> list[Windows]:
    later = (part.since(start) for part in parts)
    return [part for part in later if len(part.starts)]


def _values(
    metric: Metric, starts: IntArray, parts: Sequence[Windows], key: Key | None
) -> tuple[FloatArray, int]:
    """The numbers of a key in the windows that begin at `starts`, and the place of the first that
    there is."""
    found = [part.of_key(key) for part in parts]
    of_all = np.concatenate([each for each, _ in found])
    numbers = np.concatenate([each for _, each in found])
    if isinstance(metric.window, Window):
        places = (of_all - starts[0]) // step_ms(metric)
    else:
        places = np.searchsorted(starts, of_all)
        places[of_all < starts[0]] = -1
    is_there = (places >= 0) & (places < len(starts))
    places, numbers = places[is_there], numbers[is_there]
    values = np.bincount(places, numbers, len(starts)).astype(np.float64)
    return values, int(places.min()) if len(places) else len(starts)


def _per_day(metric: Metric) -> int:
    return round(DAY_MS / step_ms(metric))


def _is_older(
    snapshot: StoreSnapshot, metric: Metric, key: Key | None, span: tuple[int | None, int]
) -> bool:
    """Whether there is a window of the key in a time before."""
    buckets, *_ = tables_of(metric)
    equals = dict(zip(metric.key_names, key or (), strict=False))
    older = Scan(buckets, equals, bucket_from=span[0], bucket_to=span[1], limit=1)
    return snapshot.scan(older).height > 0


def _end_of_day(start_to: int, metric: Metric) -> int:
    """Where the day ends that decides which keys are looked at, and the last window with it."""
    return max(start_to + step_ms(metric), -(-start_to // DAY_MS) * DAY_MS)


def _starts(metric: Metric, first: int, last: int) -> IntArray:
    """Where windows begin that don't overlap, of those from `first` to `last` (UTC ms)."""
    window = metric.window
    if isinstance(window, Window):
        step = step_ms(metric)
        return np.arange(-(-first // step) * step, last + 1, step, dtype=np.int64)
    starts = [window.first_open(first)]
    while starts[-1] < last:
        starts.append(window.end_of(starts[-1]))
    found = np.array(starts, np.int64)
    return found[(found >= first) & (found <= last)]


def _last_final(metric: Metric, wanted: Wanted) -> int:
    """The start of the last window that can't change any more."""
    window = metric.window
    if not isinstance(window, Window):
        return window.last_ended(wanted.final_until)
    return (wanted.final_until - window.size_ms) // step_ms(metric) * step_ms(metric)


def _days_of(parts: Sequence[Windows], names: list[str]) -> dict[Key, frozenset[int]]:
    """On which days (from 1970, by UTC) which keys are among those with the most on it and the day
    before. So whether a window is told of doesn't depend on what else is asked for."""
    if not names:
        return {}
    by_day = pl.concat([part.by_day for part in parts])
    both = pl.concat([by_day, by_day.with_columns(pl.col(DAY) + 1)])
    largest = (
        both.group_by(*names, DAY)
        .agg(pl.col(VALUE).sum(), pl.col(COUNT).sum())
        .sort(VALUE, COUNT, *names, descending=[True, True, *[False] * len(names)])
        .group_by(DAY, maintain_order=True)
        .head(KEYS_MAX)
        .group_by(names)
        .agg(DAY)
    )
    return {tuple(map(str, row[:-1])): frozenset(row[-1]) for row in largest.iter_rows()}


def _largest(
    parts: Sequence[Windows],
    span: tuple[int, int],
    days: Mapping[Key, frozenset[int]],
    judge_from: int,
) -> tuple[list[Key], int]:
    """The keys that are among the largest on any day to judge, the largest first, and how many
    other keys there are on these days, of those that have a window in the `span` of their starts,
    both included."""
    first, last = span
    since = max(judge_from - DAY_MS, first)
    late = [part.rows for part in parts if int(part.starts.max()) >= since]
    names = parts[0].rows.columns[1:-1]
    recent = dict.fromkeys((key for key in days if _is_there(parts, key, span)), 0.0)
    if late:
        totals = (
            pl.concat(late)
            .filter(pl.col(BUCKET_START).is_between(since, last))
            .group_by(names)
            .agg(pl.col(VALUE).abs().sum())
        )
        recent |= {tuple(map(str, key)): float(value) for *key, value in totals.iter_rows()}
    first_day = judge_from // DAY_MS
    watched = [key for key in recent if max(days.get(key, ()), default=-1) >= first_day]
    watched.sort(key=lambda key: (-recent[key], key))
    others = [key for key, value in recent.items() if key not in days and value]
    return watched, len(others)


def _is_there(parts: Sequence[Windows], key: Key, span: tuple[int, int]) -> bool:
    first, last = span
    starts = (part.of_key(key)[0] for part in reversed(parts))
    return any(((each >= first) & (each <= last)).any() for each in starts)
