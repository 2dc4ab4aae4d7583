"""The small server of telemetry, at the hands of clients that are none."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from socketserver import ThreadingMixIn

import pytest
from prometheus_client import CollectorRegistry

from rtcdp.access.rules import AccessRules
from rtcdp.clock import SystemClock
from rtcdp.runtime.processes.ports import claim_port
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.telemetry import exposure
from rtcdp.telemetry import TelemetryRules
from tests.unit.runtime.http.test_server import self_signed


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, telemetry=TelemetryRules(port=claim_port("127.0.0.1", 0)))


@contextmanager
def server(settings: Settings) -> Iterator[tuple[str, int]]:
    with exposure.exposed(settings, SystemClock(), CollectorRegistry()):
        yield settings.host, settings.telemetry.port


def is_answered(address: tuple[str, int], over: ssl.SSLContext | None = None) -> bool:
    client = HTTPConnection(*address) if over is None else HTTPSConnection(*address, context=over)
    try:
        client.request("GET", exposure.PATH)
        return client.getresponse().status == 200
    except (OSError, ValueError):
        return False
    finally:
        client.close()


def test_who_speaks_no_tls_is_nobodys_error(settings: Settings, tmp_path: Path) -> None:
    """A traceback of the thread would fail this test."""
    certificate, key = self_signed(tmp_path)
    safe = replace(settings, access=AccessRules(tls_certificate=certificate, tls_key=key))
    over = ssl.create_default_context(cafile=certificate)
    over.check_hostname = False
    with server(safe) as address:
        for _ in range(2 * exposure.AT_ONCE_MAX):
            with socket.create_connection(address, 10) as client:
                client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                while client.recv(1_000):
                    pass
        assert is_answered(address, over)


def test_clients_that_are_slow_shut_nobody_out_for_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposure, "PATIENCE_S", 1.0)
    with server(settings) as address, ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(address, 10))
            for _ in range(exposure.AT_ONCE_MAX)
        ]
        began, is_shut_out = time.monotonic(), False
        while time.monotonic() < began + 10 and not (is_shut_out and is_answered(address)):
            for client in slow:
                with suppress(OSError):
                    client.sendall(b"G")
            is_shut_out = is_shut_out or not is_answered(address)
            time.sleep(0.1)
        assert is_shut_out
        assert is_answered(address)


def test_a_thread_that_can_not_be_started_takes_no_place(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with server(settings) as address:
        with monkeypatch.context() as patched:
            patched.setattr(ThreadingMixIn, "process_request", refuse)
            assert not any(is_answered(address) for _ in range(exposure.AT_ONCE_MAX))
        assert is_answered(address)
