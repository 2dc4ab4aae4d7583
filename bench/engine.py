"""Log → store: how many events a second the native engine folds, and how much memory it takes.

Run as a script, it makes one run in a process of its own and prints the result as JSON:

    python -m bench.engine LOG_DIRECTORY --metrics namesake|catalog|overlap2|overlap60
"""

import argparse
import json
import resource
import tempfile
import threading
import time
from pathlib import Path

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import ManualClock, SystemClock
from rtcdp.definitions import Count, Metric, event_type, sliding
from rtcdp.engines.native.processor import Processor
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.sources.synthetic.bulk import HOUR_MS, START_MS, bench_events
from rtcdp.store.sqlite import SqliteStore

DELIVERY_EVENTS = 1_000
GROUP_DELIVERIES = 20
MAX_SET_BACK_MS = 5_000


def build_log(directory: Path, count: int, *, with_ids: bool, users: int = 1_000) -> None:
    """Write `count` generated events into a new embedded log, in deliveries of 1,000, taken in
    just after they happened."""
    clock = ManualClock(START_MS)
    writer = EmbeddedLogWriter(directory, clock, max_bytes=2**40)
    written = 0
    deliveries: list[Delivery] = []
    for chunk in bench_events(count, users=users, with_ids=with_ids):
        lines = chunk.splitlines(keepends=True)
        for first in range(0, len(lines), DELIVERY_EVENTS):
            part = lines[first : first + DELIVERY_EVENTS]
            written += len(part)
            received_at = START_MS + written * HOUR_MS // count + MAX_SET_BACK_MS
            deliveries.append(Delivery(b"".join(part), len(part), received_at))
            if len(deliveries) == GROUP_DELIVERIES:
                writer.append(deliveries)
                deliveries = []
    if deliveries:
        writer.append(deliveries)
    writer.close()


def metrics_named(name: str) -> tuple[Metric, ...]:
    """The metrics of a run: the namesake alone, the catalog, or page views per user in windows with
    another overlap, always a new one every 30 s."""
    catalog = load_catalog()
    if name == "catalog":
        return catalog
    if name == "namesake":
        return tuple(metric for metric in catalog if metric.name == "user_page_view_counts")
    window = sliding(size_seconds=30 * int(name.removeprefix("overlap")), every_seconds=30)
    views = (Count("page_view_count"),)
    return (Metric("page_views", name, window, views, ("userId",), event_type("PAGE_VIEW")),)


def run(log_directory: Path, metrics: tuple[Metric, ...]) -> dict[str, float]:
    """Fold the whole log into a new store. Returns events, seconds, events/s, epochs, the ledger's
    totals and the process's peak memory in MB."""
    with tempfile.TemporaryDirectory(dir=log_directory.parent) as directory:
        log = EmbeddedLogReader(log_directory)
        store = SqliteStore(Path(directory) / "store.db")
        processor = Processor(log, store, metrics, AdmissionRules(), SystemClock())
        started = time.perf_counter()
        processor.run(threading.Event(), once=True)
        seconds = time.perf_counter() - started
        with store.snapshot() as snapshot:
            totals = snapshot.ledger_totals()
        epochs = store.progress().epoch
        store.close()
        log.close()
    return {
        "events": totals["received"],
        "admitted": totals["admitted"],
        "seconds": seconds,
        "events_per_s": totals["received"] / seconds,
        "epochs": epochs,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("--metrics", default="namesake")
    parser.add_argument("--build", type=int, default=0, help="make a log of so many events first")
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--without-ids", action="store_true")
    chosen = parser.parse_args()
    if chosen.build:
        build_log(chosen.log, chosen.build, with_ids=not chosen.without_ids, users=chosen.users)
        return
    print(json.dumps(run(chosen.log, metrics_named(chosen.metrics))))


if __name__ == "__main__":
    main()
