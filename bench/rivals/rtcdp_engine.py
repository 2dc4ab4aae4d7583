"""The second half of rtcdp from raw lines: from the log to the counts, while the log grows.

    python -m bench.rivals.rtcdp_engine run OUT
    python -m bench.rivals.rtcdp_engine rows OUT

It waits for what `bench.rivals.rtcdp_door` writes to OUT, and ends when that has closed the log and
all of it is counted.
"""

import gc
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from bench.rivals.contestant import Row, tell
from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import SystemClock
from rtcdp.engines.native.processor import Processor
from rtcdp.log.embedded import EmbeddedLogReader
from rtcdp.runtime.processes.allocation import collect_seldom
from rtcdp.store.sqlite import SqliteStore

_POLL_S = 0.02


def run(out: Path) -> None:
    while not (out / "open").exists():
        time.sleep(_POLL_S)
    log, store = EmbeddedLogReader(out / "log"), SqliteStore(out / "store.db")
    namesake = [metric for metric in load_catalog() if metric.name == "user_page_view_counts"]
    processor = Processor(log, store, namesake, AdmissionRules(), SystemClock())
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
        case ["run", out]:
            gc.freeze()
            collect_seldom()
            run(Path(out))
        case ["rows", out]:
            tell(rows(Path(out)))
        case _:
            sys.exit("say run OUT, or rows OUT")
