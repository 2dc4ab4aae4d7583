"""rtcdp from raw lines: the strict rule and the durable log in one process, the engine in another.

    python -m bench.rivals.rtcdp_lines door EVENTS OUT
    python -m bench.rivals.rtcdp_lines engine EVENTS OUT
    python -m bench.rivals.rtcdp_lines rows OUT

`door` is the collector's own path without its HTTP, in requests of 1,000 lines and commits of 20
requests, each with its fsync; `engine` reads the log that grows, until the door has closed.
"""

import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path

from bench.engine import DELIVERY_EVENTS, GROUP_DELIVERIES, metrics_named
from bench.rivals.contestant import Row
from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock, SystemClock
from rtcdp.engines.native.processor import Processor
from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.splitting import split
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.sources.synthetic.bulk import HOUR_MS, MAX_SET_BACK_MS, START_MS
from rtcdp.store.sqlite import SqliteStore

_POLL_S = 0.02
_CLOCK_SKEW_MS = 1_000


def door(events: Path, out: Path) -> None:
    writer = EmbeddedLogWriter(out / "log", ManualClock(START_MS), max_bytes=2**40)
    (out / "open").touch()
    deliveries = _deliveries(events)
    while group := list(islice(deliveries, GROUP_DELIVERIES)):
        writer.append(group)
    writer.close()
    (out / "closed").touch()


def _deliveries(events: Path) -> Iterator[Delivery]:
    """Requests as a collector takes them, each just after its last event happened."""
    limits, size = CollectorLimits(), events.stat().st_size
    with events.open("rb") as lines:
        read = 0
        while body := b"".join(islice(lines, DELIVERY_EVENTS)):
            read += len(body)
            batch = split(body, "application/x-ndjson", limits)
            taken_in = START_MS + HOUR_MS * read // size + MAX_SET_BACK_MS + _CLOCK_SKEW_MS
            yield Delivery(batch.lines, batch.line_count, taken_in)


def engine(_: Path, out: Path) -> None:
    while not (out / "open").exists():
        time.sleep(_POLL_S)
    log, store = EmbeddedLogReader(out / "log"), SqliteStore(out / "store.db")
    processor = Processor(log, store, metrics_named("namesake"), AdmissionRules(), SystemClock())
    is_whole = threading.Event()
    waiting = threading.Thread(target=_wait_for, args=(out / "closed", is_whole))
    waiting.start()
    processor.run(is_whole)
    waiting.join()
    processor.run(threading.Event(), once=True)
    store.close()
    log.close()


def _wait_for(file: Path, event: threading.Event) -> None:
    while not file.exists():
        time.sleep(_POLL_S)
    event.set()


def rows(out: Path) -> Iterator[Row]:
    with closing(sqlite3.connect(out / "store.db")) as database:
        for start, user, count in database.execute(
            "SELECT window_start, user_id, page_view_count FROM user_page_view_counts"
        ):
            yield round(datetime.fromisoformat(start).timestamp() * 1_000), user, count


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["door", events, out]:
            door(Path(events), Path(out))
        case ["engine", events, out]:
            engine(Path(events), Path(out))
        case ["rows", out]:
            sys.stdout.writelines(
                f"{start}\t{user}\t{count}\n" for start, user, count in rows(Path(out))
            )
        case _:
            sys.exit("say door EVENTS OUT, engine EVENTS OUT, or rows OUT")
