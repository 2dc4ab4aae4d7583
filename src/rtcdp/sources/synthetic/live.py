"""Runs an event stream at a steady rate into a sink."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rtcdp.clock import Clock
from rtcdp.errors import UsageError
from rtcdp.sources.pause import Pause
from rtcdp.sources.sinks import Receipt, Sink
from rtcdp.sources.synthetic.stream import EventStream, LineCounts

TICK_S = 0.025
MAX_BATCH_LINES = 5_000
MAX_BEHIND_S = 5.0
MAX_RATE_PER_S = 10_000_000.0

_ROUNDING_S = 1e-8


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How fast and how long. Ends at `lines` or after `duration_s`, whichever comes first; with
    neither it never ends by itself.

    Paced, each line is written when its time has come. Not paced, the lines are written at once,
    stamped as if they had come at that rate; this needs an end.

    Raises `UsageError` for numbers that make no sense.
    """

    rate_per_s: float
    lines: int | None = None
    duration_s: float | None = None
    paced: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.rate_per_s <= MAX_RATE_PER_S:
            raise UsageError(
                f"the rate is {self.rate_per_s:g} per second",
                f"Give a rate above 0, up to {MAX_RATE_PER_S:,.0f}.",
            )
        if (self.lines or 0) < 0 or not 0 <= (self.duration_s or 0) < float("inf"):
            raise UsageError(
                "the number of events or the duration is negative or infinite",
                "Give 0 or more, or leave it out to go on until stopped.",
            )
        if not self.paced and self.total is None:
            raise UsageError(
                "writing at once needs an end", "Say how many events, or for how long."
            )

    @property
    def total(self) -> int | None:
        """Lines to write in all; None means without end."""
        ends = [] if self.lines is None else [self.lines]
        if self.duration_s is not None:
            ends.append(int(self.duration_s * self.rate_per_s))
        return min(ends, default=None)

    def offset_ms(self, line: int) -> int:
        """When the n-th line is due, in milliseconds after the first."""
        return int(line * 1000 / self.rate_per_s)


@dataclass(frozen=True)
class GeneratorReport:
    """How far a run is. `total` is None when it has no end; `elapsed_s` is wall time."""

    counts: LineCounts
    total: int | None
    receipt: Receipt
    elapsed_s: float


class GeneratorProgress(Protocol):
    """Called after each batch, from the thread that generates."""

    def __call__(self, report: GeneratorReport) -> None: ...


class Generator:
    """Writes a stream's lines to a sink as a schedule says.

    When the sink can't keep up, the schedule is put off by what exceeds `MAX_BEHIND_S`: an
    overloaded collector gets fewer events per second, never ever older ones.
    """

    def __init__(self, stream: EventStream, sink: Sink, schedule: Schedule, clock: Clock) -> None:
        self._stream = stream
        self._sink = sink
        self._schedule = schedule
        self._clock = clock
        self._receipt = Receipt()

    def run(self, pause: Pause, progress: GeneratorProgress | None = None) -> GeneratorReport:
        """Write until the schedule ends or `pause` says stop; returns what was done.

        Raises what the sink raises.
        """
        began_s = self._clock.monotonic()
        batches = self._paced if self._schedule.paced else self._at_once
        batches(pause, lambda: progress and progress(self._report(began_s)))
        return self._report(began_s)

    def _paced(self, pause: Pause, after_batch: Callable[[], object]) -> None:
        total = self._schedule.total
        rate = self._schedule.rate_per_s
        start_s = self._clock.monotonic()
        written = 0
        while total is None or written < total:
            elapsed_s = self._clock.monotonic() - start_s
            behind_s = elapsed_s - written / rate
            if behind_s < -_ROUNDING_S:
                if pause(max(-behind_s, TICK_S)):
                    return
                continue
            if behind_s > MAX_BEHIND_S:
                start_s += behind_s - MAX_BEHIND_S
                elapsed_s = self._clock.monotonic() - start_s
            due = int((elapsed_s + _ROUNDING_S) * rate) + 1 - written
            count = min(due, MAX_BATCH_LINES, due if total is None else total - written)
            start_ms = self._clock.now_ms() - round(elapsed_s * 1000)
            self._write(start_ms, written, count)
            written += count
            after_batch()
            if pause(0):
                return

    def _at_once(self, pause: Pause, after_batch: Callable[[], object]) -> None:
        total = self._schedule.total or 0
        start_ms = self._clock.now_ms() - self._schedule.offset_ms(total)
        for written in range(0, total, MAX_BATCH_LINES):
            self._write(start_ms, written, min(MAX_BATCH_LINES, total - written))
            after_batch()
            if pause(0):
                return

    def _write(self, start_ms: int, first: int, count: int) -> None:
        offset_ms = self._schedule.offset_ms
        times_ms = [start_ms + offset_ms(line) for line in range(first, first + count)]
        self._receipt += self._sink.write(self._stream.lines(times_ms))

    def _report(self, began_s: float) -> GeneratorReport:
        return GeneratorReport(
            self._stream.counts,
            self._schedule.total,
            self._receipt,
            self._clock.monotonic() - began_s,
        )
