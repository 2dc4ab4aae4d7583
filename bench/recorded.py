"""Recorded file → log → store: CPU-seconds a million lines, each part by itself.

    python -m bench.recorded FILE [--mapping NAME] [--metrics namesake|catalog|none]

The door (reading, mapping, judging and appending, with fsync) and the engine run one after the
other, each as a process of its own with all its threads and its start.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rtcdp.clock import SystemClock
from rtcdp.runtime.collecting.local_intake import local_sink
from rtcdp.runtime.settings import load
from rtcdp.sources.recorded.mapping import load_mapping
from rtcdp.sources.recorded.replay import Replay, ReplayPlan, ReplayReport


def taken_in(file: Path, mapping: str, data_dir: Path) -> ReplayReport:
    """Take a file into the log of an installation, and say what it held."""
    settings, clock = load({"data_dir": data_dir}, {}, None), SystemClock()
    plan = ReplayPlan((file,), load_mapping(mapping))
    with local_sink(settings, clock) as sink:
        return Replay(plan, sink, clock).run(threading.Event().wait)


def measured(*arguments: str) -> tuple[float, float, str]:
    """CPU-seconds and seconds of a Python module run by itself, and what it printed."""
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent_s, time.monotonic() - began_s, done.stdout


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
        how = (str(asked.file), "--mapping", asked.mapping, "--into", folder)
        door_s, door_wall_s, said = measured("bench.recorded", *how)
        millions = json.loads(said)["records"] / 1e6
        log = str(Path(folder) / "log")
        of_engine = ("--metrics", asked.metrics, "--folds", "none")
        engine_s, engine_wall_s, _ = measured("bench.engine", log, *of_engine)
    for name, spent_s, wall_s in (
        ("door", door_s, door_wall_s),
        (f"engine, {asked.metrics}", engine_s, engine_wall_s),
        ("both", door_s + engine_s, door_wall_s + engine_wall_s),
    ):
        rate = f"{millions * 1e6 / wall_s:,.0f} lines/s"
        print(f"{name}: {spent_s / millions:.2f} CPU-seconds a million lines, {rate}")


if __name__ == "__main__":
    main()
