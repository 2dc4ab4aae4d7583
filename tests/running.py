"""An installation that runs in threads of the test: a server, and a processor beside it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rtcdp.clock import SystemClock
from rtcdp.runtime.http.server import Roles, run_http_server
from rtcdp.runtime.processes.ports import is_listening
from rtcdp.runtime.processing import run_processor
from rtcdp.runtime.settings import Settings

BOTH = Roles()


@contextmanager
def running(settings: Settings, roles: Roles = BOTH) -> Iterator[None]:
    """Both, from when they listen, the processor at `telemetry.port`, until the block is left."""
    stop, clock = threading.Event(), SystemClock()
    threads = [
        threading.Thread(target=run_http_server, args=(settings, clock, stop, roles)),
        threading.Thread(target=run_processor, args=(settings, clock, stop)),
    ]
    ports = [port for port in (settings.port, settings.telemetry.port) if port]
    for thread in threads:
        thread.start()
    try:
        while not all(is_listening(settings.host, port) for port in ports):
            assert all(thread.is_alive() for thread in threads)
            time.sleep(0.02)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
