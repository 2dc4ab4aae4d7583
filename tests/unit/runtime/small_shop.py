"""An installation with a few events in it, for tests of what is done with the whole of it."""

import json
import threading
from contextlib import closing
from pathlib import Path

from rtcdp.clock import SystemClock
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import Settings


def settings_of(folder: Path) -> Settings:
    """Without folds, which most of these tests have no need of."""
    return Settings(data_dir=folder, folds="none")


def visit(settings: Settings, *users: str, broken: bytes = b"") -> None:
    """A page view of each user comes in, and one broken record."""
    clock = SystemClock()
    events = [
        {"userId": user, "timestamp": clock.now_ms(), "eventType": "PAGE_VIEW", "pageUrl": "/"}
        for user in users
    ]
    lines = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    rejects = ((len(events), broken),) if broken else ()
    with closing(EmbeddedLogWriter(settings.log_path, clock)) as writer:
        writer.append([Delivery(lines, len(events), clock.now_ms(), rejects=rejects)])


def count(settings: Settings) -> None:
    """Whatever waits in the log is counted."""
    with processor_of(settings, SystemClock()) as processor:
        processor.run(threading.Event(), once=True)


def files_with(folder: Path, text: str) -> list[str]:
    """The files that hold a text, and the log's records, which its file may hold compressed."""
    found = [
        path.name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and text.encode() in path.read_bytes()
    ]
    with closing(EmbeddedLogReader(folder / "log")) as log:
        records = log.read(0, log.extent(0).first_offset, 10**8)
    return found + ["a record"] * any(text.encode() in each.raw for each in records.each())
