"""One log on Kafka, one store on PostgreSQL, and as many processors as shards: how fast, and what
of it follows each other.

    python -m bench.shards --events 600000 --shards 1 2

Each run counts the same topic into an empty database, by as many processes as there are shards.
What is told: events a second between the first and the last look at the store, and the time that
commits took of all processes together, which is what no further shard can take away.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.servers import build
from deploy.servers import kafka, postgresql
from deploy.servers.server_process import free_port
from rtcdp.runtime.parts import store_of
from rtcdp.runtime.settings import Settings

PARTITIONS = 8
_COMMITS = re.compile(r'rtcdp_store_seconds_sum\{operation="commit"\} (\S+)')
_CPU = re.compile(r"process_cpu_seconds_total (\S+)")


@dataclass(frozen=True)
class Counted:
    """What one run came to."""

    shards: int
    events_per_s: float
    commit_s_per_million: float
    cpu_s_per_million: float


def main(arguments: Sequence[str]) -> None:
    """Measure, and print a row of a table for each number of shards."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folds", default="all")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="rtcdp-shards-") as name, ExitStack() as servers:
        folder = Path(name)
        folder.chmod(0o755)
        broker = servers.enter_context(kafka(folder / "kafka"))
        database = servers.enter_context(postgresql(folder / "postgresql"))
        topic = broker.url("shards")
        build(topic, asked.events, with_ids=True, partitions=PARTITIONS)
        for number, shards in enumerate(asked.shards):
            settings = Settings(
                data_dir=folder / f"run_{number}",
                log=topic,
                store=database.url(f"run_{number}"),
                folds=asked.folds,
            )
            made = run(settings, shards, asked.events)
            print(
                f"| {made.shards} | {made.events_per_s:,.0f} events/s |"
                f" {made.commit_s_per_million:.1f} s | {made.cpu_s_per_million:.1f} s |",
                flush=True,
            )


def run(settings: Settings, shards: int, events: int) -> Counted:
    """Count the whole topic, by a process for each shard."""
    with processors(settings, shards) as ports:
        began, first = time.perf_counter(), received(settings)
        while not first:
            time.sleep(0.05)
            began, first = time.perf_counter(), received(settings)
        while (now := received(settings)) < events:
            time.sleep(0.1)
        seconds = time.perf_counter() - began
        told = [httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text for port in ports]
    return Counted(
        shards,
        (now - first) / seconds,
        sum(float(found[1]) for text in told if (found := _COMMITS.search(text))) / events * 1e6,
        sum(float(found[1]) for text in told if (found := _CPU.search(text))) / events * 1e6,
    )


@contextmanager
def processors(settings: Settings, shards: int) -> Iterator[list[int]]:
    """As many processors as shards, as an operator starts them; gives the ports of their
    telemetry."""
    ports = [free_port(0) for _ in range(shards)]
    command = [
        *(sys.executable, "-m", "rtcdp", "process"),
        *("--log", settings.log_url, "--store", settings.store_url, "--folds", settings.folds),
    ]
    started = []
    try:
        for port in ports:
            environment = {
                **os.environ,
                "RTCDP_PROCESSOR_SHARDS": str(shards),
                "RTCDP_TELEMETRY_PORT": str(port),
            }
            folder = str(settings.data_dir / str(port))
            started.append(
                subprocess.Popen(
                    [*command, "--data-dir", folder],
                    env=environment,
                    stdout=subprocess.DEVNULL,
                )
            )
        yield ports
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)


def received(settings: Settings) -> int:
    """How many records are counted."""
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        return snapshot.ledger_totals()["received"]


if __name__ == "__main__":
    main(sys.argv[1:])
