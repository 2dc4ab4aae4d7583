"""How long it takes from a record in a topic until its count is there, for all under the same load.

    python -m bench.rivals.freshness [--rate EVENTS_PER_S] [--seconds N] [--only NAME …] [--write]

Page views of many users are sent at a steady rate. Among them, one after the other, are those of
users whom nobody has seen before, and their counts are waited for: in PostgreSQL, or in what is
committed of a topic. The first seconds, in which a JVM becomes warm, are left out. They take turns.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from confluent_kafka import Producer
from rich.console import Console

from bench.rivals.contest import started
from bench.rivals.entries import Entry, Ground, chosen_of
from bench.rivals.process_tree import ProcessTree
from bench.rivals.report import write_to_page
from bench.rivals.seen import Seen
from bench.servers import PARTITIONS, make_topic
from deploy.servers import kafka, postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator


_USERS = 1_000
_BEAT_S, _PROBE_S, _LOOK_S = 0.01, 0.1, 0.5

say = Console(stderr=True).print


@dataclass(frozen=True)
class Pace:
    """How many seconds: until a JVM is warm; then measured; then, at most, waited for who tells of
    a window when it and the time for late events are over."""

    warm_up_s: float = 20.0
    measured_s: float = 40.0
    patience_s: float = 400.0


@dataclass(frozen=True)
class Fresh:
    """How many ms the answers took, and how many processors the contestant kept busy; `missing`
    were not there when nobody would wait any more."""

    delays_ms: Sequence[float]
    processors: float
    missing: int = 0


class Load(Protocol):
    """Page views that come at a steady rate."""

    def running(self) -> AbstractContextManager[None]:
        """They come meanwhile."""
        ...

    def send(self, user: str) -> None:
        """One more page view, now."""
        ...


class TopicLoad:
    """Page views of many users into a topic."""

    def __init__(self, ground: Ground, rate: int) -> None:
        self._producer = Producer({"bootstrap.servers": ground.bootstrap, "linger.ms": 2})
        self._topic, self._rate = ground.topic, rate
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._sent = 0
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def running(self) -> "Iterator[None]":
        """As promised by `Load`."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            self._producer.flush(10)

    def send(self, user: str) -> None:
        """As promised by `Load`."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self._lock:
            self._sent += 1
            line = (
                f'{{"eventId":"{self._sent:032x}","userId":"{user}","sessionId":"of {user}",'
                f'"eventType":"PAGE_VIEW","timestamp":"{now}","pageUrl":"/p/{self._sent % 100}"}}'
            )
            self._producer.produce(self._topic, line, user)
        self._producer.poll(0)

    def _run(self) -> None:
        began, count = time.monotonic(), 0
        while not self._stop.wait(_BEAT_S):
            due = int((time.monotonic() - began) * self._rate)
            for number in range(count, due):
                self.send(f"user_{number % _USERS:04}")
            count = due


def measure(entry: Entry, ground: Ground, out: Path, load: Load, pace: Pace = Pace()) -> Fresh:
    """Let a contestant run beside a load, after its warming up, and end it.

    Raises `RuntimeError` with its last words if it ends by itself.
    """
    assert entry.seen is not None, "it reads a topic"
    with out.with_suffix(".said").open("w+") as said, ExitStack() as stack:
        processes = started(entry, ground, out, said)
        trees = [ProcessTree(process.pid) for process in processes]
        for tree, process in zip(trees, processes, strict=True):
            stack.callback(process.wait)
            stack.callback(tree.kill)
        seen = entry.seen(ground, out)
        stack.callback(seen.close)

        def cpu_s() -> float:
            if any(process.poll() is not None for process in processes):
                said.seek(0)
                raise RuntimeError(f"{entry.name} has ended:\n{said.read()[-2_000:]}")
            for tree in trees:
                tree.look()
            return sum(tree.cpu_s for tree in trees)

        with load.running():
            return _watched(seen, load, cpu_s, pace)


def _watched(seen: Seen, load: Load, cpu_s: Callable[[], float], pace: Pace) -> Fresh:
    began_at = time.monotonic()
    warm_at = began_at + pace.warm_up_s
    ends_at = warm_at + pace.measured_s
    sent_at: dict[str, float] = {}
    delays_ms: list[float] = []
    busy_s, probes, look_at = {}, 0, 0.0
    while (now := time.monotonic()) < ends_at or (sent_at and now < ends_at + pace.patience_s):
        if now >= look_at:
            look_at = now + _LOOK_S
            busy_s[warm_at <= now, now >= ends_at] = now, cpu_s()
        if now < ends_at and now >= began_at + probes * _PROBE_S:
            probes += 1
            sent_at[f"probe_{probes:05}"] = now
            load.send(f"probe_{probes:05}")
        for user in seen.among(sent_at.keys()):
            at = sent_at.pop(user)
            if at >= warm_at:
                delays_ms.append(1_000 * (time.monotonic() - at))
        time.sleep(_BEAT_S)
    (first_at, before), (last_at, after) = busy_s[False, False], busy_s[True, False]
    return Fresh(delays_ms, (after - before) / (last_at - first_at), len(sent_at))


def table(found: Mapping[str, Fresh], rate: int) -> str:
    """Markdown: a line for each contestant, the freshest first."""
    lines = [
        f"| from a record to its count, at {rate:,} events/s | median | 99 of 100 within | "
        "processors busy |",
        "|---|---:|---:|---:|",
    ]
    medians = {name: float(np.median(fresh.delays_ms)) for name, fresh in found.items()}
    for name in sorted(medians, key=medians.__getitem__):
        last = float(np.percentile(found[name].delays_ms, 99))
        cells = name, _told(medians[name]), _told(last), f"{found[name].processors:.2f}"
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _told(delay_ms: float) -> str:
    return f"{delay_ms:,.0f} ms" if delay_ms < 10_000 else f"{delay_ms / 1_000:,.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of names")
    parser.add_argument("--write", action="store_true", help="keep the result in the docs")
    chosen = parser.parse_args()
    pace, found = Pace(measured_s=chosen.seconds), dict[str, Fresh]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rtcdp-freshness-")))
        folder.chmod(0o755)
        # Who is killed removes nothing that it has put elsewhere.
        os.environ["TMPDIR"] = str(folder)
        say("starting Kafka and PostgreSQL")
        broker = stack.enter_context(kafka(folder / "kafka"))
        databases = stack.enter_context(postgresql(folder / "postgresql"))
        for entry in chosen_of(chosen.only):
            if entry.seen is None:
                continue
            topic = f"fresh-{len(found)}"
            make_topic(broker.url(topic), PARTITIONS)
            ground = Ground(folder, broker.bootstrap, topic, databases.url, is_endless=True)
            out = folder / f"fresh_{len(found)}"
            load = TopicLoad(ground, chosen.rate)
            found[entry.name] = fresh = measure(entry, ground, out, load, pace)
            say(
                f"  {entry.name}: {np.median(fresh.delays_ms):,.0f} ms in the median of "
                f"{len(fresh.delays_ms)}, {fresh.missing} missing"
            )
    told = table(found, chosen.rate)
    sys.stdout.write(told)
    if chosen.write:
        write_to_page(told, "freshness")


if __name__ == "__main__":
    main()
