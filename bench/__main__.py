"""Measure rtcdp on this machine, and print what docs/benchmarks.md keeps.

    python -m bench [--events N] [--only NAME …] [--write]

Every figure is made by a process of its own on data that is made here. They are the size of things:
compare figures of one run only. `--write` replaces the measured part of docs/benchmarks.md.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console

from bench.engine import metrics_named
from bench.figure import Figure, rate_figure
from bench.installation import compiled
from bench.on_servers import Servers
from bench.servers import BATCH_OFFSETS
from bench.stories import FOLD_USERS, fold_figures
from rtcdp.runtime.processes.allocation import HEAPS_VARIABLE, keep_freed_memory

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
RUNS = 3
MEMORY_HOURS = 50
"""Events in so many hours: of ids, those of the last hour are remembered."""

EVENTS_OF_A_SHOPPER = 20
"""So many has a shopper in a past, about."""


say = Console(stderr=True).print


@dataclass(frozen=True)
class Scale:
    """How much to do: events for throughput, users for memory, seconds for each load."""

    events: int
    users: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--write", action="store_true", help="keep the result in the docs")
    chosen = parser.parse_args()
    scale = Scale(chosen.events, chosen.users, chosen.seconds)
    figures = [figure for name in chosen.only for figure in SECTIONS[name](scale)]
    table = _table(figures, scale)
    sys.stdout.write(table)
    if chosen.write:
        page = PAGE.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{table}{END}{after}")


def engine(scale: Scale) -> Iterator[Figure]:
    """Log to store: the namesake, the catalog, the overlap, with and without ids."""
    with tempfile.TemporaryDirectory() as directory:
        with_ids, without = Path(directory) / "ids", Path(directory) / "no-ids"
        say(f"making two logs of {scale.events:,} events")
        _run("bench.engine", str(with_ids), "--build", str(scale.events))
        _run("bench.engine", str(without), "--build", str(scale.events), "--without-ids")
        kinds = {
            "namesake": with_ids,
            "catalog": with_ids,
            "namesake without ids": without,
            "overlap2": with_ids,
            "overlap60": with_ids,
        }
        rates: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(RUNS):
            for kind, log in kinds.items():
                found = _run("bench.engine", str(log), "--metrics", kind.split()[0])
                assert found["admitted"] == scale.events, found
                rates[kind].append(found["events_per_s"])
                say(f"  {kind}: {found['events_per_s']:,.0f} events/s")
    usual = {kind: median(found) for kind, found in rates.items()}
    yield rate_figure("log → SQLite, the namesake metric", 1_000_000, "events/s", usual["namesake"])
    yield rate_figure("log → SQLite, the whole catalog", 400_000, "events/s", usual["catalog"])
    yield rate_figure(
        "the namesake without event ids", None, "events/s", usual["namesake without ids"]
    )
    price = usual["namesake"] / usual["namesake without ids"]
    yield Figure("speed with exact deduplication, against without", "", f"{price:.2f}")
    overlap = usual["overlap60"] / usual["overlap2"]
    yield Figure("speed at window overlap 60, against 2", "≥ 0.9", f"{overlap:.2f}")


def memory(scale: Scale) -> Iterator[Figure]:
    """Peak memory of the engine with many users, all in one hour."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        events, users = 3 * scale.users, scale.users
        say(f"making a log of {events:,} events of {users:,} users")
        _run("bench.engine", str(log), "--build", str(events), "--users", str(users))
        found = _run("bench.engine", str(log), "--metrics", "catalog")
    yield Figure(
        f"memory of the engine at {users:,} users, whole catalog",
        "≤ 1,000 MB",
        f"{found['peak_mb']:,.0f} MB",
    )


def long_run(scale: Scale) -> Iterator[Figure]:
    """Peak memory of the engine over ten times as many events, in fifty hours."""
    with tempfile.TemporaryDirectory() as directory:
        log, hours = Path(directory) / "log", MEMORY_HOURS
        events = 10 * scale.events // hours * hours
        say(f"making a log of {events:,} events in {hours} hours")
        _run("bench.engine", str(log), "--build", str(events), "--hours", str(hours))
        found = _run("bench.engine", str(log))
    assert found["admitted"] == events, found
    yield Figure(
        f"memory of the engine, the namesake: after a quarter of {events:,} events and at the end",
        "the same",
        f"{found['peak_mb_at_quarter']:,.0f} MB, {found['peak_mb']:,.0f} MB",
    )


def intake(scale: Scale) -> Iterator[Figure]:
    """HTTP intake, durable."""
    for events, goal, unit in ((1, 8_000, "requests/s"), (100, 300_000, "events/s")):
        found = _run("bench.intake", "--batch", str(events), "--seconds", str(scale.seconds / 2))
        what = "one event" if events == 1 else f"{events} events"
        yield rate_figure(
            f"HTTP intake with fsync, {what} a request", goal, unit, found["events_per_s"]
        )


def freshness(scale: Scale) -> Iterator[Figure]:
    """From POST to visible, under load."""
    for folds, what in (("none", "all metrics"), ("all", "all metrics and folds")):
        found = _run("bench.freshness", "--seconds", str(scale.seconds), "--folds", folds)
        yield Figure(
            f"POST to visible in the API at {found['load_events_per_s']:,.0f} events/s, {what}",
            "p50 ≤ 50 ms, p99 ≤ 150 ms",
            f"p50 {found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms",
        )


def restart(scale: Scale) -> Iterator[Figure]:
    """kill -9 of everything, until all is counted again."""
    events = scale.events // 5
    seconds = median(_run("bench.restart", "--events", str(events))["seconds"] for _ in range(RUNS))
    yield Figure(
        f"kill -9 of all processes until caught up and exact, {events:,} ids to remember",
        "≤ 3 s",
        f"{seconds:.1f} s",
    )


def folds(scale: Scale) -> Iterator[Figure]:
    """Log to store: folds of a past, each against the job for Spark that is written by hand."""
    with tempfile.TemporaryDirectory() as directory:
        yield from fold_figures(Path(directory), scale.events, RUNS, _run)


def fold_memory(scale: Scale) -> Iterator[Figure]:
    """Peak memory of the engine with all folds and metrics, at parts of the log and its end."""
    with tempfile.TemporaryDirectory() as directory:
        log, events = Path(directory) / "log", 4 * scale.events
        users = events // EVENTS_OF_A_SHOPPER
        say(f"making a log of {events:,} events of {users:,} shoppers, as they happened")
        flags = ["--build", str(events), "--users", str(users), "--lived"]
        _run("bench.engine", str(log), *flags)
        found = _run("bench.engine", str(log), "--metrics", "catalog", "--folds", "all")
    yield Figure(
        f"memory of the engine, all folds and the catalog, {users:,} shoppers: after a quarter of"
        f" {found['events']:,} events, half of them, and at the end",
        "the same",
        f"{found['peak_mb_at_quarter']:,.0f} MB, {found['peak_mb_at_half']:,.0f} MB,"
        f" {found['peak_mb']:,.0f} MB",
    )


def recommendations(scale: Scale) -> Iterator[Figure]:
    """Answers over HTTP beside intake, with a past of a million sessions."""
    found = _run("bench.recommendations", "--seconds", str(scale.seconds))
    beside = (
        f"with {found['sessions']:,} sessions, beside {found['load_events_per_s']:,.0f} events/s"
    )
    yield rate_figure(
        f"recommendations over HTTP {beside}", 1_000, "answers/s", found["answers_per_s"]
    )
    yield Figure(
        f"how long one takes, {beside}",
        "p99 ≤ 20 ms",
        f"p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.0f} ms",
    )
    yield Figure(
        f"how long one takes when 1,000 are asked for each second, {beside}",
        "p99 ≤ 20 ms",
        f"p50 {found['steady_p50_ms']:.1f} ms, p99 {found['steady_p99_ms']:.0f} ms",
    )
    yield Figure(
        f"how far behind one is, {beside}",
        "≤ 1,000 ms",
        f"{found['behind_ms_max']:,.0f} ms at most",
    )


def enrichment(scale: Scale) -> Iterator[Figure]:
    """Revenue by category as of each purchase, from the log, and what answers take."""
    with tempfile.TemporaryDirectory() as directory:
        places = [str(Path(directory) / f"run{number}") for number in range(RUNS)]
        events = ("--events", str(scale.events), "--users", str(FOLD_USERS))
        runs = [_run("bench.enrichment", place, *events) for place in places]
    assert all(found["admitted"] == scale.events for found in runs), runs
    usual = {name: median(found[name] for found in runs) for name in runs[0]}
    say(f"  enrichment: {usual['events_per_s']:,.0f} events/s")
    yield rate_figure(
        f"log → SQLite, revenue by category, {FOLD_USERS:,} users",
        200_000,
        "events/s",
        usual["events_per_s"],
    )
    yield Figure(
        f"the answer for an hour: {usual['rows']:,.0f} windows by category",
        "",
        f"{usual['answer_ms']:,.0f} ms",
    )
    yield Figure(
        "from a late product update in the log to a corrected answer",
        "≤ 1,000 ms",
        f"{usual['corrected_ms']:,.0f} ms",
    )


def page(scale: Scale) -> Iterator[Figure]:
    """The overview with many users in the store, and what open pages cost the intake."""
    found = _run("bench.page", "--users", str(scale.users))
    where = f"{scale.users:,} users in the store"
    yield Figure(
        f"first contentful paint of the overview, an hour and a month, {where}",
        "≤ 1,000 ms",
        f"{found['first_paint_ms']:,.0f} ms, {found['first_paint_month_ms']:,.0f} ms",
    )
    yield Figure(
        f"a click on another figure until its numbers are painted, an hour and a month, {where}",
        "≤ 100 ms",
        f"{found['click_ms']:,.0f} ms ({found['click_at_start_ms']:,.0f} ms right after a start),"
        f" {found['click_month_ms']:,.0f} ms",
    )
    yield Figure(
        f"the server's part of a month; the first time; right after a start, {where}",
        "≤ 150 ms",
        f"{found['month_ms']:,.0f} ms; {found['month_first_ms']:,.0f} ms;"
        f" {found['month_at_start_ms']:,.0f} ms",
    )
    cost, least, most = (100 * found[f"pages_cost{end}"] for end in ("", "_min", "_max"))
    yield Figure(
        "what 100 open pages cost the intake: the median of pairs of turns",
        "≤ 5 %",
        f"{cost:.1f} % ({least:.1f} to {most:.1f} %)",
    )


def kafka(scale: Scale) -> Iterator[Figure]:
    """Kafka → PostgreSQL with the native engine."""
    with Servers(_run) as servers:
        topic = servers.topic(scale.events, with_ids=True)
        for metrics, what, goal in (
            ("namesake", "the namesake metric", 400_000),
            ("catalog", "the whole catalog", None),
        ):
            rates = [servers.ours(topic, "native", metrics) for _ in range(RUNS)]
            say(f"  {metrics}: {', '.join(f'{rate:,.0f}' for rate in rates)} events/s")
            yield rate_figure(
                f"Kafka → PostgreSQL, native, {what}", goal, "events/s", median(rates)
            )


def mongodb(scale: Scale) -> Iterator[Figure]:
    """Kafka → MongoDB against Kafka → PostgreSQL, in turn, with the native engine."""
    with Servers(_run) as servers:
        topic = servers.topic(min(scale.events, 1_000_000), with_ids=True)
        rates: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(RUNS):
            for in_mongodb, found in rates.items():
                found.append(servers.ours(topic, "native", "namesake", in_mongodb=in_mongodb))
    ours, beside = median(rates[True]), median(rates[False])
    say(f"  MongoDB {ours:,.0f}, PostgreSQL {beside:,.0f} events/s")
    yield Figure(
        "Kafka → MongoDB, native, the namesake metric: PostgreSQL's speed against its",
        "≤ 3",
        f"{beside / ours:.1f} ({beside:,.0f} against {ours:,.0f} events/s)",
    )


def spark(scale: Scale) -> Iterator[Figure]:
    """Our Spark job against one that is written by hand, on the same topics."""
    events = min(scale.events, 4_000_000)
    # The first batch is left out; of few events there are to be others, too.
    with Servers(_run, min(BATCH_OFFSETS, events // 4)) as servers:
        for with_ids, what, goal in (
            (False, "without event ids", "≥ 1.2"),
            (True, "with exact deduplication", "≥ 0.9"),
        ):
            topic = servers.topic(events, with_ids=with_ids)
            by_hand = servers.by_hand(topic, "user_page_view_counts")
            ours = servers.ours(topic, "spark", "namesake")
            say(f"  {what}: ours {ours:,.0f}, by hand {by_hand:,.0f} events/s")
            name = f"Spark, the namesake metric {what}: ours against a job written by hand"
            measured = f"{ours / by_hand:.2f} ({ours:,.0f} against {by_hand:,.0f} events/s)"
            yield Figure(name, goal, measured)
        queries = [servers.by_hand(topic, metric.name) for metric in metrics_named("catalog")]
        one_each = 1 / sum(1 / rate for rate in queries)
        together = servers.ours(topic, "spark", "catalog")
        yield Figure(
            "Spark, the whole catalog in one pass: ours against one hand-written query each",
            "≥ 3",
            f"{together / one_each:.1f} ({together:,.0f} against {one_each:,.0f} events/s)",
        )


SECTIONS: dict[str, Callable[[Scale], Iterator[Figure]]] = {
    "engine": engine,
    "memory": memory,
    "long-run": long_run,
    "intake": intake,
    "freshness": freshness,
    "restart": restart,
    "folds": folds,
    "fold-memory": fold_memory,
    "recommendations": recommendations,
    "enrichment": enrichment,
    "page": page,
    "kafka": kafka,
    "mongodb": mongodb,
    "spark": spark,
}


def _run(module: str, *arguments: str) -> dict[str, float]:
    # Spark starts Python processes while its batches are measured.
    environment = {**os.environ, **compiled(ROOT / "build")}
    keep_freed_memory(environment)
    environment.setdefault(HEAPS_VARIABLE, "1")
    say(f"{module} {' '.join(arguments)}", style="dim")
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    return found


def _table(figures: list[Figure], scale: Scale) -> str:
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("rtcdp", "polars", "numpy", "msgspec", "litestar", "granian")
    )
    rows = "".join(f"| {f.name} | {f.goal} | {f.measured} |\n" for f in figures)
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores ({platform.machine()}), "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}; "
        f"{versions}. {scale.events:,} events; the median of {RUNS} runs.\n\n"
        f"| | goal | measured |\n|---|---|---|\n{rows}"
    )


if __name__ == "__main__":
    main()
