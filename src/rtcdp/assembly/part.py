"""One part as a child process: `python -m rtcdp.assembly.part NAME`.

Its settings come as one line of JSON on standard input. When standard input ends, the part stops:
its supervisor closed it, or died. Troubles are written to standard error, one line each.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

from rtcdp.assembly.handover import GENERATOR, HTTP, PROCESSOR, decode_settings
from rtcdp.assembly.http_server import run_http_server
from rtcdp.assembly.running import run_generator, run_processor, stop_at_signals
from rtcdp.clock import Clock, SystemClock
from rtcdp.errors import RtcdpError
from rtcdp.settings import Settings

STOP_S = 8.0
"""A part that was told to stop and has not after that many seconds ends itself."""

_LOCK_PATIENCE_S = 15.0
_STDIN = 0

PARTS: dict[str, Callable[[Settings, Clock, threading.Event], None]] = {
    GENERATOR: run_generator,
    HTTP: run_http_server,
    # After a crash the processor of the run before may still be on its way out.
    PROCESSOR: lambda settings, clock, stop: run_processor(settings, clock, stop, _LOCK_PATIENCE_S),
}


def main(arguments: Sequence[str]) -> int:
    """Run one part until it is told to stop; returns the exit code."""
    stop = threading.Event()
    stop_at_signals(stop)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = decode_settings(_first_line())
    threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    try:
        PARTS[arguments[0]](settings, SystemClock(), stop)
    except RtcdpError as error:
        sys.stderr.write(f"{error}{f' – {error.hint}' if error.hint else ''}\n")
        return error.exit_code
    return 0


def _first_line() -> bytes:
    """Read without a buffer: a thread that waits inside one would block the interpreter's end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(_STDIN, 1)
        if not byte:
            sys.exit(0)
        line += byte
    return line


def _stop_at_end_of_input(stop: threading.Event) -> None:
    while os.read(_STDIN, 4096):
        pass
    stop.set()
    time.sleep(STOP_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
