"""Log → store → answer, by what products are: how fast events are counted, how long an answer
takes, and how soon a late update has corrected it.

    python -m bench.enrichment DIRECTORY --events N [--users N] [--versions N]

Makes a log of events and one of product updates there, counts `revenue_by_category` alone in a new
store, and prints a line of JSON. Each product has some versions, half of which begin in the midst
of minutes of the hour that the events lie in.
"""

import argparse
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from bench.engine import batched, build_log
from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers.windows import MAX_PAGE, WindowQuery, windows
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import HOUR_MS, ManualClock, SystemClock
from rtcdp.definitions import Metric
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.products import ProductUpdates
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.sources.synthetic.bulk import START_MS
from rtcdp.store import Store
from rtcdp.store.sqlite import SqliteStore

PRODUCTS, CATEGORIES = 1_000, 20


def updates(versions: int) -> Iterator[bytes]:
    """So many versions of each product, as lines; the first has always held."""
    chance = np.random.default_rng(1)
    for number in range(PRODUCTS):
        for version in range(versions):
            begins = START_MS + int(chance.integers(-HOUR_MS, HOUR_MS)) if version else 0
            update = {
                "productId": f"product_{number:04}",
                "category": f"category_{chance.integers(CATEGORIES)}",
                "validFrom": begins,
            }
            yield msgspec.json.encode(update) + b"\n"


def append(directory: Path, lines: Iterator[bytes]) -> None:
    """Updates into their log, which is made if it is not there."""
    writer = EmbeddedLogWriter(directory, ManualClock(START_MS), max_bytes=2**40)
    for part in batched(lines, 1_000):
        writer.append([Delivery(b"".join(part), len(part), START_MS)])
    writer.close()


def answer_ms(store: Store, metric: Metric) -> tuple[float, int]:
    """How long it takes to read the whole hour by category, and how much revenue has what."""
    started = time.perf_counter()
    with store.snapshot() as snapshot:
        page = windows(snapshot, metric, WindowQuery(limit=MAX_PAGE))
    return (time.perf_counter() - started) * 1000, len(page.items)


def run(directory: Path, events: int, users: int, versions: int) -> dict[str, float]:
    """Build, count, ask, correct, ask again."""
    build_log(directory / "log", events, with_ids=True, users=users)
    append(directory / "products", updates(versions))
    [metric] = [each for each in load_catalog() if each.name == "revenue_by_category"]
    log, products = EmbeddedLogReader(directory / "log"), EmbeddedLogReader(directory / "products")
    store = SqliteStore(directory / "store.db")
    processor = Processor(log, store, [metric], AdmissionRules(), SystemClock())
    follower = processor.products = ProductUpdates(products, store)
    started = time.perf_counter()
    processor.run(threading.Event(), once=True)
    seconds = time.perf_counter() - started
    with store.snapshot() as snapshot:
        admitted = snapshot.ledger_totals()["admitted"]
    answer, rows = min(answer_ms(store, metric) for _ in range(5))
    late = {"productId": "product_0000", "category": "late", "validFrom": START_MS + 12_345}
    append(directory / "products", iter([msgspec.json.encode(late) + b"\n"]))
    started = time.perf_counter()
    follower.step()
    corrected, _ = answer_ms(store, metric)
    corrected = max(corrected, (time.perf_counter() - started) * 1000)
    store.close()
    return {
        "admitted": admitted,
        "events_per_s": events / seconds,
        "answer_ms": answer,
        "rows": rows,
        "corrected_ms": corrected,
        "store_mb": (directory / "store.db").stat().st_size / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--versions", type=int, default=3)
    chosen = parser.parse_args()
    print(json.dumps(run(chosen.directory, chosen.events, chosen.users, chosen.versions)))


if __name__ == "__main__":
    main()
