import logging
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from rtcdp.cli import terminal
from rtcdp.cli.app import run
from rtcdp.runtime.processes.signals import Heard, stop_at_signals

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Rtcdp = Callable[..., Done]


@pytest.fixture
def rtcdp(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rtcdp]:
    """Runs command lines in an empty folder, where `./rtcdp-data` is the data folder."""
    root, ours = logging.getLogger(), logging.getLogger("rtcdp")
    tellers, levels = list(root.handlers), (root.level, ours.level)
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    monkeypatch.chdir(tmp_path)
    for console in (terminal.out, terminal.err):
        monkeypatch.setattr(console, "width", 200)

    def rtcdp(*arguments: object) -> Done:
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    yield rtcdp
    for number, handler in handlers.items():
        signal.signal(number, handler)
    root.handlers = tellers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[signal.Signals], None]:
    """Lets commands hear a signal as soon as they listen for it."""

    def interrupted(number: signal.Signals) -> None:
        for command in ("generate", "process", "replay", "up"):
            module = import_module(f"rtcdp.cli.{command}")

            def listen(stop: threading.Event) -> Heard:
                heard = stop_at_signals(stop)
                signal.raise_signal(number)
                return heard

            monkeypatch.setattr(module, "stop_at_signals", listen)

    return interrupted


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A file with two events and a line that is none."""
    path = tmp_path / "events.ndjson"
    event = '{{"userId":"{}","timestamp":"2026-01-01T00:00:10Z","eventType":"PAGE_VIEW"}}\n'
    path.write_text(event.format("ada") + event.format("bob") + "nonsense\n")
    return path
