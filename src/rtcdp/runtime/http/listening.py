"""The listening socket and the server on it: how many connections, and for how long without a word.

The server takes every connection at once and lets the system end those that take nothing. Granian
has no time-out for writing, and stops taking connections at its limit: a hundred clients that
didn't read were enough to lock everybody out.
"""

import contextlib
import os
import resource
import socket
import sys

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.embed import Server
from litestar.types import ASGIApp

from rtcdp.api.limits import HttpLimits
from rtcdp.errors import PartMissing
from rtcdp.runtime.settings import Settings

BACKLOG = 4_096
"""Connections that wait to be taken; the system may allow fewer (net.core.somaxconn)."""

SEND_BUFFER_BYTES = 256 * 1024
"""What the system keeps of an answer for a client that reads slowly. It would take up to 4 MB by
itself, for each connection."""

_SPARE_FILES = 256


class HttpServer(Server):
    """Granian on a socket that was made by `listening_socket`.

    Granian makes its socket itself, and gives it no limits. It takes a ready one from the process
    that starts its workers; this is how that one hands it over.
    """

    def __init__(self, app: ASGIApp, settings: Settings, listener: socket.socket) -> None:
        limits = settings.http
        super().__init__(
            app,
            settings.host,
            settings.port,
            interface=Interfaces.ASGI,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(limits.header_timeout_s * 1000),
                max_buffer_size=max(8_192, limits.max_header_bytes),
            ),
            websockets=False,
            backlog=BACKLOG,
            backpressure=_connections_allowed(limits),
            log_enabled=False,
            ssl_cert=settings.access.tls_certificate,
            ssl_key=settings.access.tls_key,
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        # A copy, for Granian closes what it was given.
        descriptor = os.dup(self._listener.fileno())
        self._ssp = None
        self._shd = SocketHolder(descriptor, False, BACKLOG)  # type: ignore[call-arg, assignment]


def listening_socket(settings: Settings) -> socket.socket:
    """A socket that listens where `settings` say; what it accepts inherits its limits.

    Raises `PartMissing` when the port is taken or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if sys.platform == "linux":
            # What was sent and not acknowledged, or could not be sent, for so long ends the
            # connection (tcp(7)).
            limit_ms = int(settings.http.write_timeout_s * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit_ms)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PartMissing(
            f"port {settings.port} on {settings.host} can't be listened on: {error.strerror}",
            "stop the program that listens there, or take another one with --port",
        ) from error
    return listener


def _connections_allowed(limits: HttpLimits) -> int:
    """As many as there are files to open, of which the process is given as many as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.max_connections + _SPARE_FILES
    if soft < wanted:
        soft = min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(limits.max_connections, soft - _SPARE_FILES))
