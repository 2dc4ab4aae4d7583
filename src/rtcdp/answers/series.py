"""A metric as series: the number of each window, one after the other, by key and overall."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from rtcdp.anomalies import IntArray, Series, reach
from rtcdp.answers.enriched import read_as
from rtcdp.answers.windows import complete_from_of
from rtcdp.definitions import BUCKET_START, Measure, Metric, States, Window, tables_of
from rtcdp.events.calendar import DAY_MS
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


def series_of(snapshot: StoreSnapshot, metric: Metric, wanted: Wanted) -> SeriesFound:
    """The series of a metric, with the history that judging them takes.

    Windows that overlap are taken so that they don't: each event is in one. Raises
    `StoreUnavailable`.
    """
    snapshot = read_as(snapshot, metric)
    reach_ms = reach(_per_day(metric)) * step_ms(metric)
    # Nothing is older than an event can be.
    read_from = max(wanted.start_from - reach_ms, MIN_TIMESTAMP_MS)
    rows, is_cut = _rows(snapshot, metric, wanted, read_from)
    if wanted.begin is not None:
        rows = rows.filter(pl.col(BUCKET_START) >= wanted.begin)
    if rows.is_empty():
        return SeriesFound()
    last = max(int(rows[BUCKET_START].to_numpy().max()), _last_final(metric, wanted))
    if wanted.start_to is not None:
        last = min(last, wanted.start_to - 1)
    border = last - (WINDOWS_MAX - 1) * step_ms(metric)
    is_long = border > read_from
    begin = int(rows[BUCKET_START].to_numpy().min()) if is_cut else read_from
    starts = _starts(metric, max(border, begin, wanted.begin or begin), last)
    if not len(starts):
        return SeriesFound()
    days = _days_of(rows, list(metric.key_names))
    rows = rows.filter(pl.col(BUCKET_START).is_between(int(starts[0]), int(starts[-1])))
    if rows.is_empty():
        return SeriesFound()
    final_count = int(np.searchsorted(starts, _last_final(metric, wanted), side="right"))

    def keyed(key: tuple[str, ...] | None, part: pl.DataFrame) -> KeyedSeries:
        places = np.searchsorted(starts, part[BUCKET_START].to_numpy())
        values = np.bincount(places, part[_VALUE].to_numpy(), len(starts)).astype(np.float64)
        # It begins with its first window, and not where reading began.
        first = 0 if _is_older(snapshot, metric, key, int(starts[0])) else int(places.min())
        series = Series(values[first:], _per_day(metric), max(0, final_count - first))
        on_days = None if key is None else days.get(key)
        return KeyedSeries(key, starts[first:], series, on_days)

    cut_at = int(starts[0]) if is_cut or is_long else None
    begin_of_rest = wanted.begin or (int(starts[0]) if is_cut else None)
    judge_from = border + reach_ms if is_long else wanted.start_from
    if not metric.key_names:
        return SeriesFound((keyed(None, rows),), 0, cut_at, begin_of_rest, judge_from)
    parts, left_out = _largest(rows, list(metric.key_names), days, judge_from)
    overall = [] if wanted.equals else [keyed(None, rows)]
    by_key = [keyed(key, part) for key, part in parts]
    return SeriesFound((*overall, *by_key), left_out, cut_at, begin_of_rest, judge_from)


_VALUE = "value"


def step_ms(metric: Metric) -> int:
    """How far apart windows begin that don't overlap; about, where they are of a calendar."""
    window = metric.window
    if not isinstance(window, Window):
        return window.size_ms
    return -(-window.size_ms // window.slide_ms) * window.slide_ms


def _per_day(metric: Metric) -> int:
    return round(DAY_MS / step_ms(metric))


def _is_older(
    snapshot: StoreSnapshot, metric: Metric, key: tuple[str, ...] | None, start: int
) -> bool:
    """Whether there is a window of the key before that is whole."""
    buckets, *_ = tables_of(metric)
    complete_from = complete_from_of(snapshot, metric)
    equals = dict(zip(metric.key_names, key or (), strict=False))
    older = Scan(buckets, equals, bucket_from=complete_from, bucket_to=start, limit=1)
    return snapshot.scan(older).height > 0


def _rows(
    snapshot: StoreSnapshot, metric: Metric, wanted: Wanted, start_from: int
) -> tuple[pl.DataFrame, bool]:
    """`window_start`, key and value of windows that don't overlap, from `start_from` (UTC ms) on,
    in any order, and whether older ones were cut off."""
    buckets, *_ = tables_of(metric)
    complete_from = complete_from_of(snapshot, metric)
    if complete_from is not None:
        start_from = max(start_from, complete_from)
    window, names = metric.window, list(metric.key_names)
    scan = Scan(
        table=buckets,
        equals={name: texts[0] for name, texts in wanted.equals.items() if len(texts) == 1},
        bucket_from=start_from,
        bucket_to=None if wanted.start_to is None else _end_of_day(wanted.start_to, metric),
        limit=ROWS_MAX,
    )
    rows = snapshot.scan(scan)
    is_cut = rows.height == ROWS_MAX
    for name, texts in wanted.equals.items():
        rows = rows.filter(pl.col(name).is_in(texts))
    step = step_ms(metric)
    if isinstance(window, Window) and window.is_written_out:
        rows = rows.filter(pl.col(BUCKET_START) % step == 0)
    values = wanted.measure.final(States(rows, (BUCKET_START, *names)))
    found = rows.select(BUCKET_START, *names).with_columns(
        pl.Series(_VALUE, values, pl.Float64, strict=False).fill_null(0.0)
    )
    if isinstance(window, Window) and not window.is_written_out:
        found = found.with_columns(pl.col(BUCKET_START) // step * step)
    if is_cut:
        # The oldest of them may be a part of its window.
        found = found.filter(pl.col(BUCKET_START) > found[BUCKET_START].min())
    return found, is_cut


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


_Key = tuple[str, ...]


def _days_of(rows: pl.DataFrame, names: list[str]) -> dict[_Key, frozenset[int]]:
    """On which days (from 1970, by UTC) which keys are among those with the most on it and the day
    before. So whether a window is told of doesn't depend on what else is asked for."""
    if not names:
        return {}
    day = (pl.col(BUCKET_START) // DAY_MS).alias("day")
    by_day = rows.group_by(*names, day).agg(pl.col(_VALUE).abs().sum(), pl.len().alias("count"))
    both = pl.concat([by_day, by_day.with_columns(pl.col("day") + 1)])
    largest = (
        both.group_by(*names, "day")
        .agg(pl.col(_VALUE).sum(), pl.col("count").sum())
        .sort(_VALUE, "count", *names, descending=[True, True, *[False] * len(names)])
        .group_by("day", maintain_order=True)
        .head(KEYS_MAX)
        .group_by(names)
        .agg("day")
    )
    return {tuple(map(str, row[:-1])): frozenset(row[-1]) for row in largest.iter_rows()}


def _largest(
    rows: pl.DataFrame, names: list[str], days: Mapping[_Key, frozenset[int]], judge_from: int
) -> tuple[list[tuple[_Key, pl.DataFrame]], int]:
    """The rows of the keys that are among the largest on any day to judge, the largest first, and
    how many other keys there are on these days."""
    first_day = judge_from // DAY_MS
    latest = pl.col(_VALUE).abs().filter(pl.col(BUCKET_START) >= judge_from - DAY_MS).sum()
    recent = {
        tuple(map(str, key)): float(value)
        for *key, value in rows.group_by(names).agg(latest).iter_rows()
    }
    watched = [key for key in recent if max(days.get(key, ()), default=-1) >= first_day]
    watched.sort(key=lambda key: (-recent[key], key))
    others = [key for key, value in recent.items() if key not in days and value]
    wanted = pl.DataFrame(watched, dict.fromkeys(names, pl.String), orient="row")
    parts = rows.join(wanted, on=names, how="semi").partition_by(names, as_dict=True)
    by_key = {tuple(map(str, key)): part for key, part in parts.items()}
    return [(key, by_key[key]) for key in watched], len(others)
