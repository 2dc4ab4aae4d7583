"""One part as a child process: `python -m rtcdp.runtime.processes.part NAME`.

Its settings come as one line of JSON on standard input. When standard input ends, the part stops:
its supervisor closed it, or died. What it has to tell goes to standard error: an entry a line, as
JSON, which the supervisor shows as it was told to.
"""

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from rtcdp.clock import SystemClock
from rtcdp.errors import RtcdpError
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.processes.allocation import prepare_to_fold
from rtcdp.runtime.processes.signals import stop_at_signals
from rtcdp.runtime.settings import Settings
from rtcdp.telemetry import Entry, tell_entries

GENERATOR, HTTP, PROCESSOR = "generator", "http", "processor"


def command_of(name: str) -> tuple[str, ...]:
    """The command line that runs a part."""
    return (sys.executable, "-m", "rtcdp.runtime.processes.part", name)


def encode_settings(settings: Settings) -> bytes:
    """Settings as the one line of JSON that a part reads."""
    return msgspec.json.encode(settings, enc_hook=str) + b"\n"


def decode_settings(line: bytes) -> Settings:
    """The settings in a line that `encode_settings` wrote."""
    return msgspec.json.decode(line, type=Settings, dec_hook=_path_from)


def _path_from(kind: type, value: Any) -> Path:
    assert kind is Path, f"settings hold no {kind}"
    return Path(value)


_log = logging.getLogger("rtcdp")

STOP_S = 8.0
"""A part that was told to stop and has not after that many seconds of work ends itself. What it
takes to be imported doesn't count: on a busy machine that alone may be more."""

_STDIN, _STDERR = 0, 2

PARTS = {
    GENERATOR: "rtcdp.runtime.generating:run_generator",
    HTTP: "rtcdp.runtime.http.server:run_http_server",
    PROCESSOR: "rtcdp.runtime.processing:run_processor_part",
}
"""Functions that take settings, a clock and the event that tells them to stop."""


def main(arguments: Sequence[str]) -> int:
    """Run one part until it is told to stop; returns the exit code."""
    stop = threading.Event()
    stop_at_signals(stop)
    clock = SystemClock()
    tell_entries(_write, arguments[0], clock)
    settings = decode_settings(_first_line())
    imported = threading.Event()
    threading.Thread(target=_stop_at_end_of_input, args=(stop, imported), daemon=True).start()
    if arguments[0] == PROCESSOR:
        prepare_to_fold(os.environ)
    try:
        run = _imported(PARTS[arguments[0]])
        imported.set()
        run(settings, clock, stop)
    except RtcdpError as error:
        _log.error("%s", f"{error}{f' – {error.hint}' if error.hint else ''}")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - Python's own way tells what it says, too
        _log.error("it ended by a defect of its own", exc_info=error)
        return 1
    return 0


def _write(entry: Entry) -> None:
    # In one piece: several threads may have something to tell.
    os.write(_STDERR, entry.as_json().encode() + b"\n")


def _imported(name: str) -> Any:
    """What is imported stays for good: to look for garbage in it takes an eighth of the time."""
    gc.disable()
    found = deferred(name)
    gc.freeze()
    gc.enable()
    return found


def _first_line() -> bytes:
    """Read without a buffer: a thread that waits inside one would block the interpreter's end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(_STDIN, 1)
        if not byte:
            sys.exit(0)
        line += byte
    return line


def _stop_at_end_of_input(stop: threading.Event, imported: threading.Event) -> None:
    while os.read(_STDIN, 4096):
        pass
    stop.set()
    imported.wait()
    time.sleep(STOP_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
