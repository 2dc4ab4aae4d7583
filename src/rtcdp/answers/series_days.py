"""The windows of a metric that a series is made of, read newest first up to a limit, where days
that are as they were before are not read again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from rtcdp.anomalies import FloatArray, IntArray
from rtcdp.answers.enriched import read_as
from rtcdp.answers.keeper import Keeper
from rtcdp.answers.kept_days import ENTRY_BYTES, Stretch, detached, stretches
from rtcdp.clock import DAY_MS
from rtcdp.definitions import BUCKET_START, Measure, Metric, States, Window, tables_of
from rtcdp.store import Scan, StoreSnapshot

Key = tuple[str, ...]

VALUE, DAY, COUNT = "value", "day", "count"

_KEY_BYTES = 300
"""What a key takes beside its windows, about."""


@dataclass(frozen=True)
class Windows:
    """Windows of a stretch of time that don't overlap: when each begins (`starts`, UTC ms), with
    its number, by key; `places` says where those of a key are. A window may stand there in several
    parts, which add up. `row_starts` are those of what was read for them, in order. `by_day` has by
    key and day (from 1970, by UTC) the total without signs and how many there are."""

    rows: pl.DataFrame
    starts: IntArray
    values: FloatArray
    places: Mapping[Key, slice]
    row_starts: IntArray
    by_day: pl.DataFrame

    @classmethod
    def of(cls, rows: pl.DataFrame, names: Sequence[str], row_starts: IntArray) -> "Windows":
        """Of rows with `window_start`, the key fields and the value, in any order."""
        places: dict[Key, slice] = {}
        if names:
            rows = rows.sort(names, maintain_order=True)
            end = 0
            for *key, count in rows.group_by(names, maintain_order=True).len().iter_rows():
                places[tuple(map(str, key))] = slice(end, end + count)
                end += count
        by_day = rows.group_by(*names, (pl.col(BUCKET_START) // DAY_MS).alias(DAY)).agg(
            pl.col(VALUE).abs().sum(), pl.len().alias(COUNT)
        )
        return cls(
            rows,
            rows[BUCKET_START].to_numpy(),
            rows[VALUE].to_numpy(),
            places,
            row_starts,
            by_day,
        )

    def since(self, start: int) -> "Windows":
        """Those that begin at `start` or later."""
        if not len(self.starts) or int(self.starts.min()) >= start:
            return self
        later = self.rows.filter(pl.col(BUCKET_START) >= start)
        return Windows.of(later, later.columns[1:-1], self.row_starts)

    def of_key(self, key: Key | None) -> tuple[IntArray, FloatArray]:
        """The starts and numbers of a key; of all of them together, where that is None."""
        if key is None:
            return self.starts, self.values
        place = self.places.get(key, slice(0))
        return self.starts[place], self.values[place]

    @property
    def size_bytes(self) -> int:
        """How many bytes they take, about."""
        frames = int(self.rows.estimated_size()) + int(self.by_day.estimated_size())
        return ENTRY_BYTES + frames + self.row_starts.nbytes + _KEY_BYTES * len(self.places)


@dataclass(frozen=True)
class WindowsWanted:
    """Which windows: of `measure`, with these key fields equal to any of some texts, that begin in
    [`start`, `end`) (UTC ms; None: whatever there is)."""

    measure: Measure
    equals: Mapping[str, tuple[str, ...]]
    start: int
    end: int | None


def newest_windows(
    snapshot: StoreSnapshot,
    metric: Metric,
    wanted: WindowsWanted,
    rows_max: int,
    keeper: Keeper | None = None,
) -> tuple[list[Windows], bool]:
    """The windows, in stretches of which none is empty, the oldest first, and whether older ones
    were cut off, since no more than `rows_max` rows are read. With a `keeper`, days that were read
    before and are the same are not read again, unless some keys are asked for alone. Raises
    `StoreUnavailable`."""
    found: list[Windows] = []
    rows_left = rows_max
    for read in _stretches(snapshot, metric, wanted, keeper):
        windows = read(rows_left)
        rows_left -= len(windows.row_starts)
        found.append(windows)
        if rows_left <= 0:
            # The oldest of them may be a part of its window, which may be longer than a day.
            oldest = int(windows.row_starts[-len(windows.row_starts) - rows_left :][0])
            whole_from = _window_start(metric, oldest) + 1
            found = [each.since(whole_from) for each in found]
            break
    is_cut = rows_left <= 0
    return [each for each in reversed(found) if len(each.starts)], is_cut


def _stretches(
    snapshot: StoreSnapshot, metric: Metric, wanted: WindowsWanted, keeper: Keeper | None
) -> Iterator[Callable[[int], Windows]]:
    """What reads each stretch of the time, the newest first, no more than about so many rows."""
    is_kept = keeper is not None and not wanted.equals
    marks = keeper.marks_of_metric(snapshot, metric) if keeper is not None and is_kept else None
    if keeper is None or not marks:
        yield partial(_read, snapshot, metric, wanted, (wanted.start, wanted.end))
        return
    days = keeper.days
    asked = ("series", metric.name, metric.fingerprint, wanted.measure.name)
    size = 0

    def known(stretch: Stretch, rows_max: int) -> Windows:
        nonlocal size

        def read() -> tuple[Windows, int | None]:
            windows = _read(snapshot, metric, wanted, (stretch.start, stretch.end), rows_max)
            # One answer pushes no part of its own out again.
            is_whole = len(windows.row_starts) < rows_max
            is_too_much = size + windows.size_bytes > days.bytes_max
            return windows, windows.size_bytes if is_whole and not is_too_much else None

        found = days.get((*asked, stretch.day), marks[stretch.day], read)  # type: ignore[index]
        size += found.size_bytes
        return found

    end = wanted.end if wanted.end is not None else (max(marks) + 1) * DAY_MS
    for stretch in reversed(list(stretches(marks, wanted.start, max(wanted.start, end)))):
        if stretch.day is None:
            yield partial(_read, snapshot, metric, wanted, (stretch.start, stretch.end))
        else:
            yield partial(known, stretch)


def _read(
    snapshot: StoreSnapshot,
    metric: Metric,
    wanted: WindowsWanted,
    span: tuple[int, int | None],
    rows_max: int,
) -> Windows:
    buckets, *_ = tables_of(metric)
    names = list(metric.key_names)
    scan = Scan(
        table=buckets,
        equals={name: texts[0] for name, texts in wanted.equals.items() if len(texts) == 1},
        bucket_from=span[0],
        bucket_to=span[1],
        limit=rows_max,
    )
    rows = read_as(snapshot, metric).scan(scan)
    row_starts = np.sort(rows[BUCKET_START].to_numpy())
    for name, texts in wanted.equals.items():
        rows = rows.filter(pl.col(name).is_in(texts))
    window = metric.window
    if isinstance(window, Window) and window.is_written_out:
        rows = rows.filter(pl.col(BUCKET_START) % step_ms(metric) == 0)
    values = wanted.measure.final(States(rows, (BUCKET_START, *names)))
    found = rows.select(BUCKET_START, *names).with_columns(
        pl.Series(VALUE, values, pl.Float64, strict=False).fill_null(0.0)
    )
    if isinstance(window, Window) and not window.is_written_out:
        step = step_ms(metric)
        found = found.with_columns(pl.col(BUCKET_START) // step * step)
    return Windows.of(detached(found), names, row_starts)


def step_ms(metric: Metric) -> int:
    """How far apart windows begin that don't overlap; about, where they are of a calendar."""
    window = metric.window
    if not isinstance(window, Window):
        return window.size_ms
    return -(-window.size_ms // window.slide_ms) * window.slide_ms


def _window_start(metric: Metric, row_start: int) -> int:
    """Where the window begins that what was read belongs to."""
    step = step_ms(metric)
    return row_start // step * step if isinstance(metric.window, Window) else row_start
