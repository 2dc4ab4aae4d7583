"""How a process shows its telemetry: what every process tells of itself, and a small server for
those that have no other, as a processor by itself.

The server answers `GET /metrics` alone, to whoever may read (`rtcdp.access`), and a few at a time.
"""

import hmac
import logging
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from rtcdp.access.gate import Asking, Gate
from rtcdp.access.grant import AccessRefused
from rtcdp.access.token import token_in
from rtcdp.api.door import Caller
from rtcdp.clock import Clock
from rtcdp.errors import PartMissing
from rtcdp.runtime.settings import Settings, require_loopback

PATH = "/metrics"

AT_ONCE_MAX = 8
"""So many are answered at once; further ones are cut off, and come again."""

PATIENCE_S = 5.0
"""A connection takes no longer, whatever its client does."""

_BACKLOG = 16

_log = logging.getLogger(__name__)

_Start = Callable[[str, list[tuple[str, str]]], Any]


@contextmanager
def exposed(settings: Settings, clock: Clock, registry: CollectorRegistry) -> Iterator[str]:
    """Answer what `registry` tells at `telemetry.port` of `host`, from threads of its own; gives
    the address.

    Raises `UsageError` where others could read it without a key, and `PartMissing` when the port is
    taken.
    """
    require_loopback(settings)
    server = _Server(settings, _Application(settings, clock, registry))
    serving = threading.Thread(target=server.serve_forever, name="telemetry", daemon=True)
    serving.start()
    try:
        yield server.address
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


class _Application:
    """What answers, as WSGI."""

    def __init__(self, settings: Settings, clock: Clock, registry: CollectorRegistry) -> None:
        self._door = settings.door
        self._gate = Gate(
            settings.data_dir,
            settings.access,
            clock,
            secrets.token_bytes,
            lambda trouble: _log.warning("%s", trouble),
        )
        self._one_at_a_time = threading.Lock()
        self._registry = registry

    def __call__(self, environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
        status, body = self._answer(environ)
        kind = CONTENT_TYPE_LATEST if status == HTTPStatus.OK else "text/plain; charset=utf-8"
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        if status == HTTPStatus.UNAUTHORIZED:
            headers.append(("WWW-Authenticate", 'Bearer realm="rtcdp"'))
        start(f"{status.value} {status.phrase}", [*headers, ("Cache-Control", "no-store")])
        return [body] if environ["REQUEST_METHOD"] != "HEAD" else []

    def _answer(self, environ: dict[str, Any]) -> tuple[HTTPStatus, bytes]:
        host = environ.get("HTTP_HOST", "").lower() or None
        if self._door.concern(Caller(environ["REQUEST_METHOD"], host)) is not None:
            return HTTPStatus.MISDIRECTED_REQUEST, b"this server doesn't go by that name\n"
        if not hmac.compare_digest(environ["PATH_INFO"].encode("latin-1"), PATH.encode()):
            return HTTPStatus.NOT_FOUND, b"telemetry is at /metrics\n"
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, b"only GET is allowed here\n"
        asking = Asking(
            "GET", environ.get("REMOTE_ADDR", ""), token=token_in(environ.get("HTTP_AUTHORIZATION"))
        )
        try:
            with self._one_at_a_time:
                self._gate.admit(asking, "read")
        except AccessRefused as refused:
            return HTTPStatus(refused.status), f"{refused}: {refused.hint}\n".encode()
        return HTTPStatus.OK, generate_latest(self._registry)


class _Handler(WSGIRequestHandler):
    """Says nothing of requests."""

    def log_message(self, *_: Any) -> None:
        return None


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = _BACKLOG

    def __init__(self, settings: Settings, application: _Application) -> None:
        host, port = settings.host, settings.telemetry.port
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._room = threading.BoundedSemaphore(AT_ONCE_MAX)
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise PartMissing(
                f"telemetry.port {port} on {host} can't be listened on: {error.strerror}",
                "stop the program that listens there, or set another one: telemetry.port",
            ) from error
        self.set_app(application)
        certificate, key = settings.access.tls_certificate, settings.access.tls_key
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate, key)
        scheme = "http" if self._tls is None else "https"
        self.address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{PATH}"

    def server_bind(self) -> None:
        # Without the look-up of the host's name, which may ask a server for it.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # as where no thread can be started
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            with suppress(OSError, RuntimeError), self._for_a_while(request) as connection:
                super().process_request_thread(connection, client_address)
        finally:
            self._room.release()

    @contextmanager
    def _for_a_while(self, request: socket.socket) -> Iterator[socket.socket]:
        """The connection, over TLS where that is wanted, until `PATIENCE_S` are over. Raises
        `OSError` where the client doesn't speak TLS, and `RuntimeError` where there is no thread
        for the clock."""
        request.settimeout(PATIENCE_S)
        if self._tls is not None:
            request = self._tls.wrap_socket(
                request, server_side=True, do_handshake_on_connect=False
            )
        end = threading.Timer(PATIENCE_S, _cut, (request,))
        end.daemon = True
        try:
            end.start()
            if isinstance(request, ssl.SSLSocket):
                request.do_handshake()
            yield request
        finally:
            end.cancel()
            self.shutdown_request(request)

    def handle_error(self, *_: Any) -> None:
        """A client that goes away, or is no client, is nobody's error."""


def _cut(connection: socket.socket) -> None:
    """End a connection that another thread is at."""
    with suppress(OSError):
        # Past TLS, which another thread is using.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
