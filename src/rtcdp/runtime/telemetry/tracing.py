"""Traces by OpenTelemetry, from a request through the log to the commit that counts its events.

A trace has a span for the request, below it one for the append that made it durable and one for the
epoch that counted it, and below that one for its commit. Names and attributes are of closed lists:
routes by their pattern, numbers of epochs and records; nothing that a client has sent.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from rtcdp import __version__
from rtcdp.api.measuring import METHODS, route_of
from rtcdp.clock import Clock
from rtcdp.engines.instruments import heard_too
from rtcdp.errors import RtcdpError
from rtcdp.log.contract import Appended, Delivery, LogWriter
from rtcdp.log.wrapping import WrappingWriter
from rtcdp.runtime.processing import Processing
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.telemetry.trace_notes import Note, NoteReader, write_notes
from rtcdp.store import EpochReport
from rtcdp.store.measured import measured_store
from rtcdp.telemetry import CURRENT_TRACE, TRACES_MAX

NOTES_MAX = 10_000
EPOCHS_MAX = 256
"""So many notes wait for their epochs, and epochs for their notes."""

_LOOK_S = 0.2
_SEND_MS = 1_000
_TIMEOUT_S = 2.0
_NS = 1_000_000
_NOT_TRACED = ("/health/", "/metrics", "/assets/")
_PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """What traces one process: enter it to begin, leave it to send what is left."""

    def __init__(self, settings: Settings, part: str, clock: Clock) -> None:
        rules = settings.telemetry
        described = {"service.name": "rtcdp", "service.version": __version__, "rtcdp.part": part}
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(rules.trace_share)),
            resource=Resource.create(described),
            shutdown_on_exit=False,
        )
        address = f"{rules.traces_to.rstrip('/')}/v1/traces"
        exporter = OTLPSpanExporter(endpoint=address, timeout=_TIMEOUT_S)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=_SEND_MS)
        )
        self._tracer = self._provider.get_tracer("rtcdp", __version__)
        self._clock = clock
        self._directory = settings.log_path

    def __enter__(self) -> "Tracing":
        return self

    def __exit__(self, *_: object) -> None:
        self._provider.shutdown()

    def app(self, app: Any) -> Any:
        """An ASGI application, whose requests are traced. What comes with a `traceparent` goes on
        in that trace, and is sampled as its sender wants it."""

        async def traced(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or scope["path"].startswith(_NOT_TRACED):
                await app(scope, receive, send)
                return
            span = self._begun(scope)
            token = CURRENT_TRACE.set(traceparent_of(span))

            async def telling(message: Any) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            try:
                await app(scope, receive, telling)
            finally:
                CURRENT_TRACE.reset(token)
                self._end(span, scope)

        return traced

    def _begun(self, scope: Any) -> Span:
        carried = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name == b"traceparent"
        }
        context = _PROPAGATOR.extract(carried, Context())
        return self._tracer.start_span("request", context, SpanKind.SERVER)

    def _end(self, span: Span, scope: Any) -> None:
        route = route_of(scope)
        method = scope["method"] if scope["method"] in METHODS else "other"
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.request.method": method, "http.route": route})
        span.end()

    def writer(self, writer: LogWriter) -> LogWriter:
        """A writer of a log, whose appends are traced, and noted for whoever counts."""
        return _TracedWriter(self, writer, self._clock.now_ms)

    def appended(
        self, deliveries: Sequence[Delivery], placed: Sequence[Appended], began_ms: int
    ) -> None:
        """Tell of an append that is durable now."""
        ended_ns = self._clock.now_ms() * _NS
        for text in traces_of(deliveries):
            span = self._tracer.start_span(
                "append", context_of(text), SpanKind.PRODUCER, start_time=began_ms * _NS
            )
            span.set_attribute("rtcdp.requests", len(deliveries))
            span.end(ended_ns)
        notes = [
            Note(each.partition, each.first_offset, each.first_offset + each.record_count, d.trace)
            for d, each in zip(deliveries, placed, strict=True)
            if d.trace and each.first_offset >= 0 and each.record_count
        ]
        if notes and self._directory is not None:
            write_notes(self._directory, notes)

    def counted(self, text: str, epoch: "CountedEpoch", others: Sequence[str]) -> None:
        """Tell that an epoch has counted what belongs to a trace, and what to other ones."""
        links = [
            Link(trace.get_current_span(context_of(other)).get_span_context())
            for other in others[:TRACES_MAX]
            if other != text
        ]
        span = self._tracer.start_span(
            "epoch",
            context_of(text),
            SpanKind.CONSUMER,
            epoch.attributes,
            links,
            start_time=epoch.began_ms * _NS,
        )
        within = trace.set_span_in_context(span)
        commit = self._tracer.start_span(
            "commit", within, SpanKind.CLIENT, start_time=epoch.commit_began_ms * _NS
        )
        commit.end(epoch.ended_ms * _NS)
        span.end(epoch.ended_ms * _NS)


class _TracedWriter(WrappingWriter):
    def __init__(self, tracing: Tracing, writer: LogWriter, now_ms: Callable[[], int]) -> None:
        self._tracing = tracing
        super().__init__(writer)
        self._now_ms = now_ms

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        if not any(each.trace for each in deliveries):
            return self._writer.append(deliveries)
        began_ms = self._now_ms()
        placed = self._writer.append(deliveries)
        self._tracing.appended(deliveries, placed, began_ms)
        return placed


@dataclass(frozen=True)
class CountedEpoch:
    """An epoch that is committed: from where to where it counted each partition, and when (UTC
    ms). `traces` are those that its records brought with them. The `shard` numbers its epochs by
    itself; None where there are none."""

    number: int
    record_count: int
    began_ms: int
    commit_began_ms: int
    ended_ms: int
    ranges: dict[int, tuple[int, int]]
    traces: tuple[str, ...] = ()
    shard: int | None = None

    @property
    def attributes(self) -> dict[str, int]:
        """What a span says of it."""
        told = {"rtcdp.epoch": self.number, "rtcdp.records": self.record_count}
        return told if self.shard is None else {**told, "rtcdp.shard": self.shard}

    def counts(self, note: Note) -> bool:
        """Whether any of the noted records is among those that it counted."""
        first, end = self.ranges.get(note.partition, (0, 0))
        return note.first_offset < end and first < note.next_offset


class CountingTraces:
    """What traces the counting of a process: looks for the notes of what epochs have counted."""

    def __init__(self, tracing: Tracing, settings: Settings, clock: Clock) -> None:
        self._tracing = tracing
        self._clock = clock
        self._notes = None if settings.log_path is None else NoteReader(settings.log_path)
        self._pending: deque[Note] = deque(maxlen=NOTES_MAX)
        self._epochs: deque[CountedEpoch] = deque(maxlen=EPOCHS_MAX)
        self._new: deque[CountedEpoch] = deque(maxlen=EPOCHS_MAX)
        self._reached: dict[int, int] = {}
        self._commit_began_ms = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)

    def __enter__(self) -> "CountingTraces":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def watch(self, processor: Processing) -> None:
        """Look at this one from now on."""
        with suppress(RtcdpError):
            self._reached = dict(processor.store.progress().next_offsets)
        processor.store = measured_store(processor.store, self)
        processor.listeners = heard_too(processor.listeners, self._on_epoch)

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        """Take notice of when commits begin."""
        if operation == "commit":
            self._commit_began_ms = self._clock.now_ms()
        yield

    def _on_epoch(self, report: EpochReport) -> None:
        now = self._clock.now_ms()
        began = now - round(report.duration_ms)
        ranges = {
            partition: (self._reached.get(partition, 0), end)
            for partition, end in report.next_offsets.items()
        }
        commit = min(max(self._commit_began_ms, began), now)
        # Before `_reached` says that it is counted: the other thread may look at any time.
        self._new.append(
            CountedEpoch(
                *(report.epoch, report.record_count, began, commit, now),
                *(ranges, report.traces, report.shard),
            )
        )
        # A report of one shard says nothing of the partitions of others.
        self._reached = {**self._reached, **report.next_offsets}

    def _run(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._look()
        self._look()

    def _look(self) -> None:
        # First of all: whatever is counted up to here is among the epochs, and what is counted
        # while this looks is left for the next time.
        reached = self._reached
        while self._new:
            epoch = self._new.popleft()
            self._epochs.append(epoch)
            for text in epoch.traces:
                self._tracing.counted(text, epoch, epoch.traces)
        if self._notes is not None:
            self._pending.extend(self._notes.new())
        if not self._pending:
            return
        epochs = list(self._epochs)
        found: dict[int, dict[str, None]] = {}
        waiting = []
        for note in self._pending:
            if note.first_offset >= reached.get(note.partition, 0):
                waiting.append(note)
                continue
            place = next((n for n, each in enumerate(epochs) if each.counts(note)), None)
            if place is not None:
                found.setdefault(place, {})[note.trace] = None
        self._pending = deque(waiting, maxlen=NOTES_MAX)
        for place, texts in found.items():
            for text in list(texts)[:TRACES_MAX]:
                self._tracing.counted(text, epochs[place], list(texts))


def traces_of(deliveries: Sequence[Delivery]) -> list[str]:
    """The traces that deliveries belong to, each once, `TRACES_MAX` at most."""
    return list(dict.fromkeys(each.trace for each in deliveries if each.trace))[:TRACES_MAX]


def traceparent_of(span: Span) -> str:
    """What continues the trace of a span; empty for one that is not sampled."""
    context = span.get_span_context()
    if not context.is_valid or not context.trace_flags.sampled:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def context_of(text: str) -> Context:
    """The context that a `traceparent` names."""
    return _PROPAGATOR.extract({"traceparent": text}, Context())
