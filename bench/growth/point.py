"""One point of a curve, in a process of its own; prints the result as JSON.

python -m bench.growth.point CURVE SIZE --events N
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

from bench.engine import build_log, hour_of_deliveries, metrics_named, run
from bench.servers import build as build_topic
from bench.servers import run as run_topic
from deploy.servers import kafka
from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import HOUR_MS, ManualClock, SystemClock
from rtcdp.definitions import Count, Metric, event_type, tumbling
from rtcdp.engines.native.processor import Processor
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.sources.synthetic.bulk import START_MS
from rtcdp.store.sqlite import SqliteStore

USERS = 1_000
EVENTS_OF_AN_HOUR = 2_000
"""Of the hours before the one that is measured."""

_TYPES = ("PAGE_VIEW", "ADD_TO_CART", "PURCHASE")
_KEYS = ("userId", "productId", "pageUrl")


def users(size: int, events: int, directory: Path) -> float:
    """The namesake over so many users, with an event for each of them at least."""
    log = directory / "log"
    build_log(log, max(events, size), with_ids=True, users=size)
    return run(log, metrics_named("namesake"))["cpu_s_a_million"]


def metrics(size: int, events: int, directory: Path) -> float:
    """So many metrics, no two of them alike."""
    log = directory / "log"
    build_log(log, events, with_ids=True, users=USERS)
    return run(log, tuple(islice(unlike_metrics(), size)))["cpu_s_a_million"]


def unlike_metrics() -> Iterator[Metric]:
    """Counts by user, product and page of each type, in windows of 1, 2, 3, … minutes."""
    for number, (key, kind) in enumerate(cycle((key, kind) for key in _KEYS for kind in _TYPES)):
        window = tumbling(minutes=1 + number // (len(_KEYS) * len(_TYPES)))
        name = f"metric_{number}"
        yield Metric(name, name, window, (Count("event_count"),), (key,), event_type(kind))


def overlap(size: int, events: int, directory: Path) -> float:
    """Page views by user in windows of which so many hold an event."""
    log = directory / "log"
    build_log(log, events, with_ids=True, users=USERS)
    return run(log, metrics_named(f"overlap{size}"))["cpu_s_a_million"]


def partitions(size: int, events: int, directory: Path) -> float:
    """The namesake from a topic of so many partitions, of a real broker."""
    directory.chmod(0o755)
    with kafka(directory / "kafka") as broker:
        build_topic(broker.url("events"), events, with_ids=True, partitions=size)
        store = f"sqlite:{directory / 'store.db'}"
        return run_topic(broker.url("events"), store, "native", "namesake")["cpu_s_a_million"]


def history(size: int, events: int, directory: Path) -> float:
    """An hour of events, after so many hours of which the store has the windows."""
    clock = ManualClock(START_MS)
    writer = EmbeddedLogWriter(directory / "log", clock, max_bytes=2**40)
    log, store = EmbeddedLogReader(directory / "log"), SqliteStore(directory / "store.db")
    for hour in range(-size, 0):
        _append_hour(writer, EVENTS_OF_AN_HOUR, hour)
    _fold(log, store)
    _append_hour(writer, events, 0)
    writer.close()
    began = time.process_time()
    _fold(log, store)
    worked = time.process_time() - began
    store.close()
    log.close()
    return worked / events * 1_000_000


def _append_hour(writer: EmbeddedLogWriter, events: int, hour: int) -> None:
    begins_ms = START_MS + hour * HOUR_MS
    for deliveries in hour_of_deliveries(events, begins_ms, users=USERS, seed=hour + 1_000):
        writer.append(deliveries)


def _fold(log: EmbeddedLogReader, store: SqliteStore) -> None:
    processor = Processor(log, store, metrics_named("namesake"), AdmissionRules(), SystemClock())
    processor.run(threading.Event(), once=True)


POINTS: dict[str, Callable[[int, int, Path], float]] = {
    "users": users,
    "metrics": metrics,
    "overlap": overlap,
    "partitions": partitions,
    "history": history,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("curve", choices=POINTS)
    parser.add_argument("size", type=int)
    parser.add_argument("--events", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rtcdp-growth-") as directory:
        cost = POINTS[chosen.curve](chosen.size, chosen.events, Path(directory))
    json.dump({"cpu_s_a_million": cost}, sys.stdout)


if __name__ == "__main__":
    main()
