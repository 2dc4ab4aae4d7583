"""Traces of an installation that runs, at a receiver that takes OTLP over HTTP."""

import gzip
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import SystemClock
from rtcdp.engines.commit import NOBODY
from rtcdp.engines.native.processor import Processor
from rtcdp.log.contract import Delivery, Records
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.runtime.processes.ports import claim_port
from rtcdp.runtime.settings import Settings
from rtcdp.store.sqlite import SqliteStore
from rtcdp.telemetry import CURRENT_TRACE, Entry, TelemetryRules, tell_entries
from tests.running import running

OURS = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = f"00-{OURS}-{PARENT}-01"
CANARIES = (b"canary@mail.example", b"canary-user", b"canary-id", b"canary-key")


class Receiver:
    """What came: bodies as they were, spans with the part that sent them."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.spans: list[tuple[str, Span]] = []

    def take(self, body: bytes) -> None:
        asked = ExportTraceServiceRequest.FromString(body)
        for sent in asked.resource_spans:
            about = {each.key: each.value.string_value for each in sent.resource.attributes}
            assert about["service.name"] == "rtcdp"
            for scope in sent.scope_spans:
                self.spans += [(about["rtcdp.part"], span) for span in scope.spans]
        self.bodies.append(body)

    def of(self, trace_id: str) -> dict[str, tuple[str, Span]]:
        """The spans of a trace by their names."""
        return {
            span.name: (part, span) for part, span in self.spans if span.trace_id.hex() == trace_id
        }


@contextmanager
def receiver() -> Iterator[tuple[str, Receiver]]:
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            is_zipped = self.headers.get("content-encoding") == "gzip"
            received.take(gzip.decompress(body) if is_zipped else body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_trace_goes_from_the_request_through_the_log_to_the_commit(tmp_path: Path) -> None:
    with receiver() as (address, received):
        rules = TelemetryRules(traces_to=address, trace_share=0.0)
        settings = Settings(data_dir=tmp_path, port=claim_port("127.0.0.1", 0), telemetry=rules)
        url = settings.base_url
        with running(settings), httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            send_and_ask(client)
            while client.get("/api/ledger").json()["totals"]["received"] < 3:
                time.sleep(0.05)
            deadline = time.monotonic() + 60
            while "commit" not in received.of(OURS) and time.monotonic() < deadline:
                time.sleep(0.05)
    found = received.of(OURS)
    assert {name: part for name, (part, _) in found.items()} == {
        "POST /v1/events": "http",
        "append": "http",
        "GET /api/users/{userId}": "http",
        "epoch": "processor",
        "commit": "processor",
    }
    spans = {name: span for name, (_, span) in found.items()}
    request = spans["POST /v1/events"]
    assert request.parent_span_id.hex() == PARENT
    assert spans["append"].parent_span_id == spans["epoch"].parent_span_id == request.span_id
    assert spans["commit"].parent_span_id == spans["epoch"].span_id
    for each in spans.values():
        assert each.start_time_unix_nano <= each.end_time_unix_nano
    assert request.start_time_unix_nano <= spans["commit"].end_time_unix_nano
    # The share of those that nobody else has begun is nothing.
    assert {span.trace_id.hex() for _, span in received.spans} == {OURS}
    assert [each for each in CANARIES for body in received.bodies if each in body] == []
    notes = (tmp_path / "log" / "traces").read_bytes()
    assert [each for each in CANARIES if each in notes] == []


def send_and_ask(client: httpx.Client) -> None:
    now = SystemClock().now_ms()
    event = {"userId": "canary@mail.example", "eventType": "PAGE_VIEW", "timestamp": now}
    events = [{**event, "eventId": "canary-id"}, {"userId": "canary-user"}]
    traced = {"traceparent": TRACEPARENT, "Authorization": "Bearer canary-key"}
    assert client.post("/v1/events", json=events, headers=traced).status_code == 200
    assert client.post("/v1/events", json=event).status_code == 200
    client.get("/api/users/canary-user?limit=canary-id", headers=traced)


class TracedLog(EmbeddedLogReader):
    """Records that bring their trace with them, as those of Kafka do, two partitions of which may
    have the same."""

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        return replace(super().read(partition, offset, max_bytes), traces=(TRACEPARENT,) * 2)


def test_what_records_bring_with_them_is_told_of_their_epoch(tmp_path: Path) -> None:
    clock, reports = SystemClock(), []
    with closing(EmbeddedLogWriter(tmp_path, clock)) as writer:
        writer.append([Delivery(b"{}\n", 1, clock.now_ms())])
    with (
        closing(TracedLog(tmp_path)) as log,
        closing(SqliteStore(tmp_path / "store.db")) as store,
    ):
        processor = Processor(log, store, [], AdmissionRules(), clock)
        processor.listeners = replace(NOBODY, on_epoch=reports.append)
        processor.run(threading.Event(), once=True)
    assert [report.traces for report in reports] == [(TRACEPARENT,)]


def test_what_is_told_while_a_request_is_traced_names_the_trace() -> None:
    entries: list[Entry] = []
    tell_entries(entries.append, "http", SystemClock())
    token = CURRENT_TRACE.set(TRACEPARENT)
    logging.getLogger("rtcdp.intake").warning("something")
    CURRENT_TRACE.reset(token)
    logging.getLogger("rtcdp.intake").warning("something else")
    assert [entry.trace for entry in entries] == [OURS, ""]
    assert f'"trace":"{OURS}"' in entries[0].as_json()
    assert "trace" not in entries[1].as_json()
