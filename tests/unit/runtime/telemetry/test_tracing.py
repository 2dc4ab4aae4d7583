"""Which epochs are told of in traces."""

import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rtcdp.clock import SystemClock
from rtcdp.engines.commit import NOBODY
from rtcdp.log.contract import Delivery, ImportRegister
from rtcdp.log.embedded import EmbeddedLogWriter
from rtcdp.log.piece import Piece
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.telemetry import tracing
from rtcdp.runtime.telemetry.trace_notes import Note
from rtcdp.store import EpochReport, Progress

TRACE = f"00-{1:032x}-{2:016x}-01"
REPORT = EpochReport(
    epoch=1, next_offsets={0: 5}, record_count=5, admitted_count=5, duration_ms=0, forgotten_ids=0
)


def test_what_was_imported_before_is_known_with_traces_as_without(tmp_path: Path) -> None:
    piece = Piece("ab", "cd", 9)
    with (
        tracing.Tracing(Settings(data_dir=tmp_path), "server", SystemClock()) as traces,
        closing(traces.writer(EmbeddedLogWriter(tmp_path, SystemClock()))) as writer,
    ):
        writer.append([Delivery(b"", 0, 1, piece=piece)])
        assert isinstance(writer, ImportRegister)
        assert writer.pieces_after("ab") == [piece]


def test_an_epoch_that_ends_while_notes_are_read_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = SimpleNamespace(progress=lambda: Progress(0, {}))
    processor: Any = SimpleNamespace(store=store, listeners=replace(NOBODY))
    read = threading.Event()

    class Notes:
        """A reader during whose first look the records are counted that its note is of."""

        def __init__(self, _: Path) -> None: ...

        def new(self) -> list[Note]:
            if read.is_set():
                return []
            processor.listeners.on_epoch(REPORT)
            read.set()
            return [Note(0, 0, 5, TRACE)]

    told: list[tuple[str, int]] = []
    teller: Any = SimpleNamespace(counted=lambda text, epoch, _: told.append((text, epoch.number)))
    monkeypatch.setattr(tracing, "NoteReader", Notes)
    traces = tracing.CountingTraces(teller, Settings(data_dir=tmp_path), SystemClock())
    traces.watch(processor)
    with traces:
        assert read.wait(10)
    assert told == [(TRACE, 1)]


def test_shards_that_number_their_epochs_alike_are_told_apart(tmp_path: Path) -> None:
    """And what one has reached is not forgotten for the report of another one."""
    store: Any = SimpleNamespace(progress=lambda: Progress(0, {}))
    processor: Any = SimpleNamespace(store=store, listeners=replace(NOBODY))
    told: list[object] = []

    def counted(_: str, epoch: tracing.CountedEpoch, __: object) -> None:
        told.append((epoch.attributes, epoch.ranges))

    teller: Any = SimpleNamespace(counted=counted)
    traces = tracing.CountingTraces(teller, Settings(data_dir=tmp_path), SystemClock())
    traces.watch(processor)
    with traces:
        for shard, end in ((0, 5), (1, 5), (0, 9)):
            report = replace(REPORT, next_offsets={shard: end}, shard=shard, traces=(TRACE,))
            processor.listeners.on_epoch(report)
    common = {"rtcdp.epoch": 1, "rtcdp.records": 5}
    assert told == [
        ({**common, "rtcdp.shard": 0}, {0: (0, 5)}),
        ({**common, "rtcdp.shard": 1}, {1: (0, 5)}),
        ({**common, "rtcdp.shard": 0}, {0: (5, 9)}),
    ]
