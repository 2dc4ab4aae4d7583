"""A sink that keeps what it gets, waiting that moves a clock instead, a collector that fails."""

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from rtcdp.clock import ManualClock
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.sources.sinks import Receipt


class KeepingSink:
    """Keeps the batches."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []

    @property
    def lines(self) -> list[bytes]:
        return [line for batch in self.batches for line in batch]

    def write(self, lines: Sequence[bytes]) -> Receipt:
        self.batches.append(list(lines))
        return Receipt(accepted=len(lines))

    def close(self) -> None:
        pass


class ManualPause:
    """Moves the clock on by what was asked for, and says stop after `stop_after` times."""

    def __init__(self, clock: ManualClock, stop_after: int | None = None) -> None:
        self.waits: list[float] = []
        self._clock = clock
        self._stop_after = stop_after

    def __call__(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self._clock.advance(round(seconds * 1000))
        return self._stop_after is not None and len(self.waits) >= self._stop_after


@pytest.fixture
def sink() -> KeepingSink:
    return KeepingSink()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_767_225_600_000)


@pytest.fixture
def pause(clock: ManualClock) -> ManualPause:
    return ManualPause(clock)


@pytest.fixture
def stop_after(clock: ManualClock):
    """A pause that says stop the n-th time."""
    return lambda times: ManualPause(clock, times)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The directory of real recordings."""
    return Path(__file__).parents[2] / "recordings"


class ScriptedCollector(ThreadingHTTPServer):
    """A small HTTP server that takes events as a collector does, after it has failed as told.

    `script` holds what to do with the next requests, one each: an answer `(status, headers)`,
    `hang up` (take the events, then reset the connection instead of answering), or bytes (answer
    200 with that body). With the script at its end every request is taken.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[object] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.taken: list[bytes] = []
        self.ids: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, body: bytes) -> bytes:
        accepted = duplicates = 0
        rejected = []
        for index, line in enumerate(line for line in body.split(b"\n") if line.strip()):
            self.taken.append(line)
            event = decode(line)
            if isinstance(event, Rejection):
                rejected.append({"index": index, "code": event.reason})
            elif event.event_id in self.ids:
                duplicates += 1
            else:
                accepted += 1
                self.ids.add(event.event_id)
        return msgspec.json.encode(
            {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else an answer's body waits until its head was acknowledged: 40 ms a request.
    disable_nagle_algorithm = True
    server: ScriptedCollector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(
            (self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        )
        match self.server.script.pop(0) if self.server.script else None:
            case (status, headers):
                self._answer(status, headers, b'{"title":"No","detail":"not now"}')
            case "hang up":
                self.server.take(body)
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.connection.close()
                self.close_connection = True
            case bytes(answer):
                self._answer(200, {}, answer)
            case None:
                self._answer(200, {}, self.server.take(body))

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[ScriptedCollector]:
    with ScriptedCollector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
