"""Feeds recorded events again: files of lines, through a mapping, into a sink.

A line that is no event is sent all the same, so that the collector keeps it as a dead letter: what
a replay reads and what the ledger counts is the same number.
"""

import math
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, starmap
from pathlib import Path
from typing import Literal, Protocol

from rtcdp.clock import Clock
from rtcdp.errors import PartMissing, UsageError
from rtcdp.events.mistaken_units import SECONDS
from rtcdp.sources.pause import Pause
from rtcdp.sources.recorded.mapped_blocks import (
    ImportedBefore,
    MappedBlock,
    mapped_blocks,
    new_blocks,
)
from rtcdp.sources.recorded.mapped_lines import MappedLine, mapped_lines
from rtcdp.sources.recorded.mapping import Mapping
from rtcdp.sources.recorded.recorded_file import BLOCK_BYTES, RecordedFile
from rtcdp.sources.sinks import Receipt, RunSink, Sink

BATCH_LINES = 5_000
BATCH_BYTES = 1_500_000
LOOKED_AT_LINES = 100
"""So many lines of each file are looked at before anything is sent."""

EARLY_S = 0.025
"""A paced line may go that much before its time, together with those before it."""

_KINDS_MAX = 100
_SPEED = re.compile(r"(\d+(?:\.\d+)?)x", re.ASCII)


@dataclass(frozen=True)
class ReplayPlan:
    """What to replay and how. `speed` is that many times as fast as it was recorded, and infinite
    for as fast as it goes. With `shift_to_now` all times are moved by one amount, so that the
    latest event has the time at which it is sent (at speeds up to 1: the first one). What was
    imported before is sent `again` only if that is wanted, or if times are moved or paced."""

    files: tuple[Path, ...]
    mapping: Mapping
    speed: float = math.inf
    shift_to_now: bool = False
    again: bool = False


@dataclass(frozen=True)
class Reason:
    """Why lines are no events: how many there are of the kind, and the first of them in words."""

    count: int
    first: str


@dataclass(frozen=True)
class ReplayReport:
    """How far a replay is.

    A record is a line, or a CSV row over several lines. `events`, `raw` (sent as they are, for
    being no events) and `blank` add up to `records`; `known` lines were imported before, and are
    none of these; `cut` of the raw ones were too long or torn
    and went incomplete. `phase` is `scan` while the times are looked up and `send` then. `damage`
    says which compressed files are broken; what comes before the break is replayed. `reasons` say
    why the raw ones are no events, the most frequent first.
    """

    phase: Literal["scan", "send"]
    bytes_read: int
    total_bytes: int
    events: int = 0
    raw: int = 0
    blank: int = 0
    cut: int = 0
    known: int = 0
    receipt: Receipt = Receipt()
    damage: tuple[str, ...] = ()
    reasons: tuple["Reason", ...] = ()

    @property
    def records(self) -> int:
        return self.events + self.raw + self.blank


class ReplayProgress(Protocol):
    """Called after each batch, from the thread that replays."""

    def __call__(self, report: ReplayReport) -> None: ...


def parse_speed(text: str) -> float:
    """The speed that `max` or a number with x, like `60x`, stands for.

    Raises `UsageError` for anything else.
    """
    found = _SPEED.fullmatch(text)
    speed = math.inf if text == "max" else float(found.group(1)) if found else 0
    if speed <= 0:
        raise UsageError(f"{text!r} is no speed", "Write max, or a number with x, like 1x or 60x.")
    return speed


def check_files(plan: ReplayPlan) -> tuple[str, ...]:
    """See that each file can be read, again and again, and that the mapping is made for it. Gives
    what is odd all the same, in words.

    Raises `PartMissing` and `UsageError`.
    """
    doubts = []
    for path in plan.files:
        _size_bytes(path)
        with RecordedFile(path) as file:
            doubts.append(check_lines(file, plan.mapping))
    return tuple(filter(None, doubts))


class Replay:
    """Sends the records of a plan to a sink, in the order of the files. Use it once.

    Raises `PartMissing` for a file that can't be read, and `UsageError` for a pipe; `run` also
    raises what the sink raises, and `UsageError` for a file that the mapping is not made for.
    """

    def __init__(self, plan: ReplayPlan, sink: Sink, clock: Clock) -> None:
        self._plan = plan
        self._sink = sink
        self._clock = clock
        self._progress: ReplayProgress | None = None
        self._total_bytes = sum(map(_size_bytes, plan.files))
        self._bytes_read = 0
        self._events = self._raw = self._blank = self._cut = self._known = 0
        self._receipt = Receipt()
        self._damage: tuple[str, ...] = ()
        self._reasons: dict[tuple[str, ...], tuple[int, str]] = {}
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._pace: _Pace | None = None

    def run(self, pause: Pause, progress: ReplayProgress | None = None) -> ReplayReport:
        """Replay all files, or until `pause` says stop; returns what was done."""
        self._progress = progress
        check_files(self._plan)
        if math.isinf(self._plan.speed) and not self._plan.shift_to_now:
            return self._run_by_blocks(pause)
        shift_ms = self._find_shift_ms() if self._plan.shift_to_now else 0
        for path, bytes_before in self._files():
            with RecordedFile(path) as file:
                for line in mapped_lines(file, self._plan.mapping):
                    if self._wait_until_due(line, pause):
                        return self._report("send")
                    self._take(line, shift_ms, path)
                    if self._is_full():
                        self._bytes_read = bytes_before + file.bytes_read()
                        self._flush()
                        if pause(0):
                            return self._report("send")
                self._damage += () if file.damage is None else (file.damage,)
        self._bytes_read = self._total_bytes
        self._flush()
        return self._report("send")

    def _run_by_blocks(self, pause: Pause) -> ReplayReport:
        for path, bytes_before in self._files():
            with RecordedFile(path) as file:
                for mapped in self._blocks(file):
                    if isinstance(mapped, ImportedBefore):
                        self._known += mapped.line_count
                    else:
                        self._events += mapped.events
                        self._blank += mapped.blank
                        for line in mapped.others:
                            self._take_other(line, path)
                        self._send(mapped)
                    self._bytes_read = bytes_before + file.bytes_read()
                    self._tell("send")
                    if pause(0):
                        return self._report("send")
                self._damage += () if file.damage is None else (file.damage,)
        self._bytes_read = self._total_bytes
        self._tell("send")
        return self._report("send")

    def _blocks(self, file: RecordedFile) -> Iterator[MappedBlock | ImportedBefore]:
        plan, sink = self._plan, self._sink
        size = sink.piece_bytes if isinstance(sink, RunSink) else BLOCK_BYTES
        if plan.again or not isinstance(sink, RunSink):
            return mapped_blocks(file, plan.mapping, size)
        return new_blocks(file, plan.mapping, sink.source, sink, size)

    def _files(self) -> Iterator[tuple[Path, int]]:
        """Each file, and the bytes of those before it."""
        bytes_before = 0
        for path in self._plan.files:
            yield path, bytes_before
            bytes_before += _size_bytes(path)

    def _find_shift_ms(self) -> int:
        now_ms = self._clock.now_ms()
        first_ms = last_ms = None
        for path, bytes_before in self._files():
            with RecordedFile(path) as file:
                for position, line in enumerate(mapped_lines(file, self._plan.mapping)):
                    if line.event is not None:
                        instant_ms = line.event.timestamp_ms
                        if first_ms is None or last_ms is None:
                            first_ms = last_ms = instant_ms
                        last_ms = max(last_ms, instant_ms)
                    if first_ms is not None and self._plan.speed <= 1:
                        return now_ms - first_ms
                    if position % BATCH_LINES == 0:
                        self._bytes_read = bytes_before + file.bytes_read()
                        self._tell("scan")
        if first_ms is None or last_ms is None:
            return 0
        return now_ms + int((last_ms - first_ms) / self._plan.speed) - last_ms

    def _wait_until_due(self, line: MappedLine, pause: Pause) -> bool:
        """True if told to stop. Before it waits it sends what there is."""
        if line.event is None or math.isinf(self._plan.speed):
            return False
        if self._pace is None:
            began_s = self._clock.monotonic()
            self._pace = _Pace(line.event.timestamp_ms, began_s, self._plan.speed)
        due_s = self._pace.due_s(line.event.timestamp_ms)
        if due_s - self._clock.monotonic() <= EARLY_S:
            return False
        self._flush()
        return pause(max(0.0, due_s - self._clock.monotonic()))

    def _take(self, line: MappedLine, shift_ms: int, path: Path) -> None:
        if line.is_blank:
            self._blank += 1
            return
        if line.event is not None:
            self._events += 1
        else:
            self._take_other(line, path)
        self._add(line.wire_line(shift_ms))

    def _add(self, wire_line: bytes) -> None:
        self._batch.append(wire_line)
        self._batch_bytes += len(wire_line) + 1

    def _send(self, mapped: MappedBlock) -> None:
        if isinstance(self._sink, RunSink):
            self._receipt += self._sink.write_runs(mapped.runs, mapped.piece)
            return
        for run in mapped.runs:
            for record in run.records():
                self._add(record)
                if self._is_full():
                    self._flush()
        self._flush()

    def _take_other(self, line: MappedLine, path: Path) -> None:
        self._raw += 1
        self._cut += not line.whole
        self._remember(line, path)

    def _remember(self, line: MappedLine, path: Path) -> None:
        kind = () if line.reason is None else (line.reason.column, line.reason.expected)
        if kind not in self._reasons and len(self._reasons) >= _KINDS_MAX:
            return
        count, first = self._reasons.get(kind, (0, f"line {line.number} of {path}: {line.reason}"))
        self._reasons[kind] = (count + 1, first)

    def _is_full(self) -> bool:
        return len(self._batch) >= BATCH_LINES or self._batch_bytes >= BATCH_BYTES

    def _flush(self) -> None:
        if self._batch:
            self._receipt += self._sink.write(self._batch)
            self._batch = []
            self._batch_bytes = 0
        self._tell("send")

    def _tell(self, phase: Literal["scan", "send"]) -> None:
        if self._progress is not None:
            self._progress(self._report(phase))

    def _report(self, phase: Literal["scan", "send"]) -> ReplayReport:
        return ReplayReport(
            phase=phase,
            bytes_read=self._bytes_read,
            total_bytes=self._total_bytes,
            events=self._events,
            raw=self._raw,
            blank=self._blank,
            cut=self._cut,
            known=self._known,
            receipt=self._receipt,
            damage=self._damage,
            reasons=tuple(sorted(starmap(Reason, self._reasons.values()), key=lambda r: -r.count)),
        )


@dataclass(frozen=True)
class _Pace:
    """When a record is due, by how long after the first one it was recorded."""

    first_ms: int
    began_s: float
    speed: float

    def due_s(self, instant_ms: int) -> float:
        return self.began_s + (instant_ms - self.first_ms) / 1000 / self.speed


def check_lines(file: RecordedFile, mapping: Mapping) -> str | None:
    """Raise `UsageError` when none of the first lines of a file, which are read for it, is an
    event: it is another kind of file than the mapping is made for. Gives what is odd about those
    that are, in words."""
    lines = (line for line in mapped_lines(file, mapping) if not line.is_blank)
    looked_at = list(islice(lines, LOOKED_AT_LINES))
    times = [line.event.timestamp_ms for line in looked_at if line.event is not None]
    if times and all(instant_ms in SECONDS for instant_ms in times):
        return (
            f"{file.path} begins with events of 1970: are its "
            'times seconds? timestamp takes milliseconds, and a mapping format = "epoch_s"'
        )
    if times or not looked_at:
        return None
    first = looked_at[0]
    which = f"none of the first {len(looked_at)} lines" if len(looked_at) > 1 else "no line"
    raise UsageError(
        f"{which} of {file.path} is an event by this mapping; line {first.number}: {first.reason}",
        "choose the mapping for this kind of file with --mapping, or correct it; nothing was sent",
    )


def _size_bytes(path: Path) -> int:
    try:
        found = path.stat()
    except OSError as error:
        raise PartMissing(
            f"{path} can't be read: {error.strerror}", "name files that exist"
        ) from error
    if not stat.S_ISREG(found.st_mode):
        # Its first lines are looked at before anything is sent, and would be gone then.
        raise UsageError(
            f"{path} is no file, and can't be read twice",
            "name a file, plain, gzip or zstd; what comes through a pipe is written to one first",
        )
    return found.st_size
