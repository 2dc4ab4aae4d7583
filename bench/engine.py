"""Log → store: how many events a second the native engine folds, and how much memory it takes.

Run as a script, it makes one run in a process of its own and prints the result as JSON:

    python -m bench.engine LOG_DIRECTORY --metrics namesake|catalog|none|… --folds NAME,…|all|none
"""

import argparse
import json
import resource
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, TypeVar

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_catalog, load_folds
from rtcdp.clock import HOUR_MS, ManualClock, SystemClock
from rtcdp.definitions import Count, Fold, Metric, event_type, sliding
from rtcdp.engines.native.processor import Processor
from rtcdp.events.codec import parse_timestamp_ms
from rtcdp.log.contract import Delivery
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.sources.synthetic.bulk import START_MS, bench_events
from rtcdp.sources.synthetic.history import History, Past
from rtcdp.store.sqlite import SqliteStore

T = TypeVar("T")

DELIVERY_EVENTS = 1_000
GROUP_DELIVERIES = 20
MAX_SET_BACK_MS = 5_000
PAST_DAYS, LIVED_DAYS = 120, 180
LIVED_EVENTS = 100
"""So many are taken in together: within a minute or two."""


def build_log(
    directory: Path, count: int, *, with_ids: bool, users: int = 1_000, hours: int = 1
) -> None:
    """Write `count` generated events into a new embedded log, as many in each of so many hours, in
    deliveries of 1,000, taken in just after they happened."""
    with closing(new_log(directory)) as writer:
        for hour in range(hours):
            begins_ms, given = START_MS + hour * HOUR_MS, {"users": users, "seed": hour}
            for deliveries in hour_of_deliveries(
                count // hours, begins_ms, with_ids=with_ids, **given
            ):
                for group in batched(deliveries, GROUP_DELIVERIES):
                    writer.append(group)


def hour_of_deliveries(
    count: int, begins_ms: int = START_MS, **given: Any
) -> Iterator[list[Delivery]]:
    """`count` generated events of the hour that begins then, each taken in just after it happened,
    in deliveries of 1,000, so many at a time as are made at once; `given` says which events."""
    written = 0
    for chunk in bench_events(count, start_ms=begins_ms, **given):
        deliveries = []
        for lines in batched(chunk.splitlines(keepends=True), DELIVERY_EVENTS):
            written += len(lines)
            taken_in = begins_ms + written * HOUR_MS // count + MAX_SET_BACK_MS
            deliveries.append(Delivery(b"".join(lines), len(lines), taken_in))
        yield deliveries


def build_past(directory: Path, file: Path, count: int, *, users: int) -> None:
    """The first `count` events of a past of `users` shoppers as JSON lines and as a new embedded
    log, which has taken all of it in at once, as history."""
    lines = past_lines(count, users)
    with file.open("wb") as out:

        def kept() -> Iterator[bytes]:
            for line in lines:
                out.write(line + b"\n")
                yield line

        import_lines(directory, kept(), START_MS)


def build_lived(directory: Path, count: int, *, users: int) -> None:
    """The same as a new log that has taken each event in just after it happened."""
    with closing(new_log(directory)) as writer:
        parts = batched(past_lines(count, users, LIVED_DAYS), LIVED_EVENTS)
        for group in batched(parts, GROUP_DELIVERIES * DELIVERY_EVENTS // LIVED_EVENTS):
            writer.append([_lived(part) for part in group])


def past_lines(count: int, users: int, days: int = PAST_DAYS) -> Iterator[bytes]:
    """The first `count` events of a past of `users` shoppers, in order of time."""
    past = Past(days=days, users=users, seed=1, until_ms=START_MS)
    return islice((line for told in History(past).tell() for line in told.lines), count)


def _lived(lines: Sequence[bytes]) -> Delivery:
    last_ms = parse_timestamp_ms(json.loads(lines[-1])["timestamp"])
    return Delivery(b"\n".join([*lines, b""]), len(lines), last_ms + MAX_SET_BACK_MS)


def import_lines(directory: Path, lines: Iterable[bytes], at_ms: int) -> None:
    """Lines into a new log, as history that is taken in at that time."""
    deliveries = (
        Delivery(b"\n".join([*part, b""]), len(part), at_ms, intake="import")
        for part in batched(lines, DELIVERY_EVENTS)
    )
    with closing(new_log(directory)) as writer:
        for group in batched(deliveries, GROUP_DELIVERIES):
            writer.append(group)


def new_log(directory: Path) -> EmbeddedLogWriter:
    """A log of any size, in which nothing is given a time but by its delivery."""
    return EmbeddedLogWriter(directory, ManualClock(START_MS), max_bytes=2**40)


def batched(parts: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """Up to `size` at a time."""
    rest = iter(parts)
    while part := list(islice(rest, size)):
        yield part


def folds_named(names: str) -> tuple[Fold, ...]:
    """All built-in folds, none of them, or those of these names with commas between."""
    folds = load_folds()
    if names in ("all", "none"):
        return folds if names == "all" else ()
    return tuple(fold for fold in folds if fold.name in names.split(","))


def metrics_named(name: str) -> tuple[Metric, ...]:
    """The metrics of a run: the namesake alone, the catalog, none, or page views per user in
    windows with another overlap, always a new one every 30 s."""
    catalog = load_catalog()
    if name in ("catalog", "none"):
        return catalog if name == "catalog" else ()
    if name == "namesake":
        return tuple(metric for metric in catalog if metric.name == "user_page_view_counts")
    window = sliding(size_seconds=30 * int(name.removeprefix("overlap")), every_seconds=30)
    views = (Count("page_view_count"),)
    return (Metric("page_views", name, window, views, ("userId",), event_type("PAGE_VIEW")),)


def run(
    log_directory: Path, metrics: tuple[Metric, ...], folds: tuple[Fold, ...] = ()
) -> dict[str, float]:
    """Fold the whole log into a new store. Returns events, seconds, events/s, CPU-seconds of all
    threads for a million events, epochs, the process's peak memory in MB, and rows of folds."""
    with tempfile.TemporaryDirectory(dir=log_directory.parent) as directory:
        log = EmbeddedLogReader(log_directory)
        store = SqliteStore(Path(directory) / "store.db")
        processor = Processor(log, store, metrics, AdmissionRules(), SystemClock())
        processor.folds = folds
        peaks: list[tuple[int, float]] = []
        processor.listeners = replace(
            processor.listeners,
            on_epoch=lambda report: peaks.append((report.record_count, _peak_mb())),
        )
        started, worked = time.perf_counter(), time.process_time()
        processor.run(threading.Event(), once=True)
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
        with store.snapshot() as snapshot:
            totals = snapshot.ledger_totals()
        epochs = store.progress().epoch
        rows = {fold.name: store.dump(fold.table).height for fold in folds}
        store.close()
        log.close()
    return {
        "events": totals["received"],
        "admitted": totals["admitted"],
        "seconds": seconds,
        "events_per_s": totals["received"] / seconds,
        "cpu_s_a_million": worked / totals["received"] * 1e6,
        "epochs": epochs,
        "peak_mb": _peak_mb(),
        "peak_mb_at_quarter": _at(peaks, 1 / 4),
        "peak_mb_at_half": _at(peaks, 1 / 2),
        **{f"rows of {name}": count for name, count in rows.items()},
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _at(peaks: Sequence[tuple[int, float]], share: float) -> float:
    """The peak memory after a share of all records, of records and peaks of each epoch."""
    read = list(accumulate(records for records, _ in peaks))
    return next(peak for (_, peak), by in zip(peaks, read, strict=True) if by >= share * read[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("--metrics", default="namesake")
    parser.add_argument("--folds", default="none")
    parser.add_argument("--build", type=int, default=0, help="make a log of so many events first")
    parser.add_argument("--hours", type=int, default=1, help="that the events lie in")
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--without-ids", action="store_true")
    parser.add_argument("--past", type=Path, help="make a past, into this file as well")
    parser.add_argument("--lived", action="store_true", help="make a past that was taken in live")
    chosen = parser.parse_args()
    if chosen.past:
        build_past(chosen.log, chosen.past, chosen.build, users=chosen.users)
        return
    if chosen.lived:
        build_lived(chosen.log, chosen.build, users=chosen.users)
        return
    if chosen.build:
        given = {"with_ids": not chosen.without_ids, "users": chosen.users, "hours": chosen.hours}
        build_log(chosen.log, chosen.build, **given)
        return
    found = run(chosen.log, metrics_named(chosen.metrics), folds_named(chosen.folds))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
