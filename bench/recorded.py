"""Recorded file → log → store: CPU-seconds a million lines, each part by itself.

    python -m bench.recorded FILE [--mapping NAME] [--metrics namesake|catalog|none]

The door (reading, mapping, judging and appending, with fsync) and the engine run one after the
other, each as a process of its own with all its threads and its start, whose modules are compiled,
as those of an installation are.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.bytecode import compiled
from rtcdp.clock import SystemClock
from rtcdp.runtime.collecting.local_intake import local_sink
from rtcdp.runtime.settings import load
from rtcdp.sources.recorded.mapping import load_mapping
from rtcdp.sources.recorded.replay import Replay, ReplayPlan, ReplayReport
from rtcdp.sources.synthetic.bulk import bench_events


def taken_in(file: Path, mapping: str, data_dir: Path) -> ReplayReport:
    """Take a file into the log of an installation, and say what it held."""
    settings, clock = load({"data_dir": data_dir}, {}, None), SystemClock()
    plan = ReplayPlan((file,), load_mapping(mapping))
    with local_sink(settings, clock) as sink:
        return Replay(plan, sink, clock).run(threading.Event().wait)


@dataclass(frozen=True)
class Bill:
    """CPU-seconds and seconds of a process, and what it printed."""

    spent_s: float
    wall_s: float
    said: str


def measured(*arguments: str, environment: Mapping[str, str]) -> Bill:
    """What a Python module costs that runs by itself."""
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Bill(spent_s, time.monotonic() - began_s, done.stdout)


def both_parts(
    file: Path, mapping: str, metrics: str, environment: Mapping[str, str]
) -> tuple[Bill, Bill]:
    """What the door costs, and what the engine does, of a file that goes into a new log."""
    with tempfile.TemporaryDirectory() as folder:
        how = (str(file), "--mapping", mapping, "--into", folder)
        door = measured("bench.recorded", *how, environment=environment)
        which = ("--metrics", metrics, "--folds", "none")
        log = str(Path(folder) / "log")
        return door, measured("bench.engine", log, *which, environment=environment)


def main() -> None:
    """Print the figures of one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--mapping", default="events")
    parser.add_argument("--metrics", default="namesake")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.into is not None:
        report = taken_in(asked.file, asked.mapping, asked.into)
        print(json.dumps({"records": report.records, "events": report.events}))
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = compiled(Path(folder))
        first = Path(folder) / "first.ndjson"
        first.write_bytes(next(bench_events(1_000)))
        both_parts(first, "events", asked.metrics, environment)
        door, engine = both_parts(asked.file, asked.mapping, asked.metrics, environment)
    millions = json.loads(door.said)["records"] / 1e6
    for name, spent_s, wall_s in (
        ("door", door.spent_s, door.wall_s),
        (f"engine, {asked.metrics}", engine.spent_s, engine.wall_s),
        ("both", door.spent_s + engine.spent_s, door.wall_s + engine.wall_s),
    ):
        rate = f"{millions * 1e6 / wall_s:,.0f} lines/s"
        print(f"{name}: {spent_s / millions:.2f} CPU-seconds a million lines, {rate}")


if __name__ == "__main__":
    main()
