"""Folds from the log, each beside the job that one writes by hand for Spark, on the same events."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from rich.console import Console

from bench.figure import Figure, rate_figure

ROOT = Path(__file__).resolve().parent.parent
JOB = ROOT / "bench" / "canonical_fold_job.py"
FOLD_USERS = 100_000
GOALS = {
    "sessions": 200_000,
    "shop_funnel": 150_000,
    "daily_retention": None,
    "page_paths": None,
    "cart_outcomes": 150_000,
    "product_sessions": None,
}
ALL_GOAL = 120_000

say = Console(stderr=True).print

Runner = Callable[..., dict[str, float]]
"""Runs a module of this package with arguments, and gives what it prints."""


def fold_figures(directory: Path, events: int, runs: int, run: Runner) -> Iterator[Figure]:
    """The figures of each fold, and of all of them with the catalog: events/s from the log into
    SQLite, all of it with deduplication and durable commits; and how that compares with Spark,
    which reads JSON lines and writes Parquet. Of both the median of `runs`."""
    log, file = directory / "log", directory / "events.json"
    users = ["--users", str(FOLD_USERS)]
    say(f"making a past of {events:,} events of {FOLD_USERS:,} users")
    run("bench.engine", str(log), "--build", str(events), *users, "--past", str(file))
    with file.open("rb") as lines:
        events = sum(1 for _ in lines)
    by_hand = _by_hand(file, directory / "spark", runs + 1)
    every = 0.0
    for name, goal in GOALS.items():
        spark_s = median(by_hand[name]["seconds"][1:])
        every += spark_s
        found = [_ours(run, log, events, "none", name) for _ in range(runs)]
        assert {each[f"rows of {name}"] for each in found} == {by_hand[name]["rows"]}, name
        yield from _figures(f"fold {name}", goal, found, events / spark_s)
    found = [_ours(run, log, events, "catalog", "all") for _ in range(runs)]
    yield rate_figure(
        "log → SQLite, all folds and the catalog", ALL_GOAL, "events/s", _usual(found)
    )
    found = [_ours(run, log, events, "none", "all") for _ in range(runs)]
    yield from _figures("all folds", None, found, events / every)


def _figures(
    what: str, goal: int | None, found: list[dict[str, float]], by_hand: float
) -> Iterator[Figure]:
    usual = _usual(found)
    yield rate_figure(f"log → SQLite, {what}", goal, "events/s", usual)
    yield Figure(
        f"{what}: ours against a Spark job written by hand",
        "",
        f"{usual / by_hand:.2f} ({usual:,.0f} against {by_hand:,.0f} events/s)",
    )


def _usual(found: list[dict[str, float]]) -> float:
    return median(each["events_per_s"] for each in found)


def _ours(run: Runner, log: Path, events: int, metrics: str, folds: str) -> dict[str, float]:
    found = run("bench.engine", str(log), "--metrics", metrics, "--folds", folds)
    assert found["admitted"] == events, found
    say(f"  {metrics}, {folds}: {found['events_per_s']:,.0f} events/s")
    return found


def _by_hand(file: Path, out: Path, runs: int) -> dict[str, dict[str, list[float]]]:
    command = [sys.executable, str(JOB), str(file), "--out", str(out), "--runs", str(runs)]
    say(" ".join(command[1:]), style="dim")
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, dict[str, list[float]]] = json.loads(done.stdout.splitlines()[-1])
    for name, each in found.items():
        say(f"  by hand, {name}: {each['seconds']} s")
    return found
