"""Takes events in without a server: the same collector, called instead of asked over HTTP."""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rtcdp.clock import Clock
from rtcdp.events.judged import Run
from rtcdp.intake.collector import Collector
from rtcdp.intake.problem import RequestRefused
from rtcdp.intake.splitting import NDJSON_TYPES
from rtcdp.log.contract import DEFAULT_SOURCE, Claim, Intake, NoClaim
from rtcdp.log.piece import Piece
from rtcdp.runtime.collecting.claiming import claimed
from rtcdp.runtime.collecting.known_ids import recall
from rtcdp.runtime.collecting.product_door import product_collector
from rtcdp.runtime.parts import log_reader, log_writer
from rtcdp.runtime.settings import Settings
from rtcdp.sources.sinks import Receipt
from rtcdp.telemetry import Troubles

_log = logging.getLogger(__name__)

PIECE_BYTES = 2 * 2**20
"""So much text of a recorded file is appended at once, together with what of it is imported."""

_RETRY_S = 0.5
_PASSING = frozenset({"log_unavailable", "log_full", "overloaded"})
_NDJSON = min(NDJSON_TYPES)
_BYTE_ORDER_MARK_STARTS = (b"\xef", b"\xfe", b"\xff")


class LocalSink:
    """A sink whose lines a collector of this process takes.

    Raises `RequestRefused` when the collector doesn't take them. What it claims it holds until it
    claims something else, or is closed.
    """

    piece_bytes = PIECE_BYTES

    def __init__(
        self, collector: Collector, source: str, intake: Intake, runner: asyncio.Runner
    ) -> None:
        self._collector = collector
        self.source = source
        self._intake = intake
        self._runner = runner
        self._claim: Claim = NoClaim()

    def write(self, lines: Sequence[bytes]) -> Receipt:
        """Append the lines; they are on disk when it returns."""
        body = b"\n".join([*lines, b""])
        # A body may not start with a byte order mark; a bad line may. A blank line says nothing.
        body = b"\n" + body if body.startswith(_BYTE_ORDER_MARK_STARTS) else body
        self._collector.check_source(self.source)
        answer = self._runner.run(
            self._collector.take(body, _NDJSON, source=self.source, intake=self._intake)
        )
        return Receipt(
            accepted=answer.accepted,
            duplicates=answer.duplicates,
            rejected=answer.rejected_count,
        )

    def write_runs(self, runs: Sequence[Run], piece: Piece | None) -> Receipt:
        """Append what the runs hold, of which duplicates are not told from others; all of it is on
        disk when it returns, and known as this piece."""
        answer = self._runner.run(self._collector.take_runs(runs, self.source, piece))
        return Receipt(answer.accepted, answer.duplicates, answer.rejected_count)

    def claim(self, key: str) -> None:
        """Wait until nobody else imports what `key` names, and keep others from it."""
        self._claim.close()
        self._claim = claimed(self._collector, key, lambda: None)

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """The pieces that are in the log and follow the text which `key` names."""
        return self._collector.pieces_after(key)

    def close(self) -> None:
        """Let go what it claimed; each write is complete."""
        self._claim.close()


class PatientSink:
    """A sink that waits as long as the log can't take anything, and tells of it; what is told to
    stop meanwhile is reported as unconfirmed. Raises what else the other sink raises."""

    def __init__(self, sink: LocalSink, clock: Clock, stop: threading.Event) -> None:
        self._sink = sink
        self._stop = stop
        self._troubles = Troubles(_log, clock)

    def write(self, lines: Sequence[bytes]) -> Receipt:
        """Append the lines, however long it takes; they are on disk when it returns."""
        retries = 0
        while True:
            try:
                receipt = self._sink.write(lines)
            except RequestRefused as refused:
                if refused.code not in _PASSING:
                    raise
                reason = refused.hint.partition("(")[2].removesuffix(")") or refused.hint
                self._troubles.tell(f"{refused}: {reason}; trying again")
            else:
                self._troubles.over()
                return receipt + Receipt(retries=retries)
            retries += 1
            if self._stop.wait(_RETRY_S):
                return Receipt(unconfirmed=len(lines), retries=retries)

    def close(self) -> None:
        self._sink.close()


@contextmanager
def patient_sink(
    settings: Settings, clock: Clock, stop: threading.Event, intake: Intake
) -> Iterator[PatientSink]:
    """The same as `local_sink`, for what goes on for ever. Raises what it raises when the log is
    not there at the beginning."""
    with local_sink(settings, clock, intake=intake) as sink:
        yield PatientSink(sink, clock, stop)


@contextmanager
def local_sink(
    settings: Settings, clock: Clock, source: str = DEFAULT_SOURCE, intake: Intake = "import"
) -> Iterator[LocalSink]:
    """A sink into the installation's own log, as recorded history unless told otherwise. Other
    processes may append meanwhile."""
    with (
        log_reader(settings, asks_registry=False) as reader,
        log_writer(settings, clock) as writer,
        asyncio.Runner() as runner,
    ):
        collector = Collector(writer, clock, settings.collector_limits)
        sink = LocalSink(collector, source, intake, runner)
        try:
            recall(collector, reader, settings, clock)
            yield sink
        finally:
            sink.close()
            collector.close()


@contextmanager
def local_product_sink(settings: Settings, clock: Clock, source: str) -> Iterator[LocalSink]:
    """A sink of product updates into the installation's own log, which is made if it is not there.
    Raises what `rtcdp.runtime.parts.log_writer` raises."""
    with (
        log_writer(settings, clock),
        product_collector(settings, clock, threading.Event()) as collector,
        asyncio.Runner() as runner,
    ):
        yield LocalSink(collector, source, "import", runner)
