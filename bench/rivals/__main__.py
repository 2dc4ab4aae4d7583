"""rtcdp beside what somebody would otherwise pick, over the same events, in one run.

    python -m bench.rivals [--events N] [--rounds N] [--only NAME …] [--kill] [--write]

What they need is fetched first: some 2.5 GB of Python packages and 60 MB of jars. They run in turn,
one at a time, so that whatever else the machine does meets all of them. A figure counts only when
the rows are those of the oracle. `--kill` ends those that read a topic with -9 at half of their
time once more, and starts them again. `--write` keeps the table in docs/benchmarks.md.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from rich.console import Console

from bench.rivals.contest import EndedBefore, NeverEnds, Taken, run_killed, run_once
from bench.rivals.entries import Entry, Ground, chosen_of
from bench.rivals.oracle import expected_rows
from bench.rivals.report import table, write_to_page
from bench.servers import build
from deploy.servers import kafka, postgresql
from rtcdp.sources.synthetic.bulk import bench_events

TOPIC = "page-views"

say = Console(stderr=True).print


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of names")
    parser.add_argument("--kill", action="store_true", help="kill those that read a topic, too")
    parser.add_argument("--write", action="store_true", help="keep the result in the docs")
    chosen = parser.parse_args()
    entries = chosen_of(chosen.only)
    taken: dict[str, list[Taken]] = {entry.name: [] for entry in entries}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rtcdp-rivals-")))
        folder.chmod(0o755)
        say(f"making {chosen.events:,} events, and counting them one by one")
        ground = Ground(folder / "events.ndjson")
        with ground.events.open("wb") as file:
            file.writelines(bench_events(chosen.events))
        expected = expected_rows(ground.events)
        if any(entry.is_from_topic for entry in entries):
            ground = with_servers(ground, folder, chosen.events, stack)
        for turn in range(chosen.rounds):
            for number, entry in enumerate(entries):
                out = folder / f"{turn}_{number}"
                found = run_once(entry, ground, out, expected)
                taken[entry.name].append(found)
                say(
                    f"  {entry.name}: {chosen.events / found.seconds:,.0f} events/s, "
                    f"{found.cpu_s:.2f} CPU-s, {found.peak_mb:,.0f} MB"
                )
        after_kill_s = {}
        for number, entry in enumerate(entries):
            if chosen.kill and entry.is_from_topic:
                half_s = median(one.seconds for one in taken[entry.name]) / 2
                out = folder / f"killed_{number}"
                try:
                    took_s = killed_in_midst(entry, ground, out, expected, half_s)
                except NeverEnds as never:
                    say(f"  killed and started again, {never}")
                    took_s = math.inf
                else:
                    say(f"  {entry.name}: exact {took_s:.1f} s after its new start")
                after_kill_s[entry.name] = took_s
    told = table(entries, taken, chosen.events, after_kill_s)
    sys.stdout.write(told)
    if chosen.write:
        write_to_page(told, "rivals")


def killed_in_midst(
    entry: Entry,
    ground: Ground,
    out: Path,
    expected: Mapping[tuple[int, str], int],
    after_s: float,
) -> float:
    """As `run_killed`; earlier and into another folder where one run was quicker than others."""
    try:
        return run_killed(entry, ground, out, expected, after_s)
    except EndedBefore as ended:
        say(f"  {ended}; it is killed sooner")
        again = out.with_name(f"{out.name}_sooner")
        return killed_in_midst(entry, ground, again, expected, 0.7 * after_s)


def with_servers(ground: Ground, folder: Path, events: int, stack: ExitStack) -> Ground:
    """The same with a broker that has the events in a topic, and a server for databases."""
    say(f"starting Kafka and PostgreSQL, and writing {events:,} events into a topic")
    broker = stack.enter_context(kafka(folder / "kafka"))
    databases = stack.enter_context(postgresql(folder / "postgresql"))
    build(broker.url(TOPIC), events, with_ids=True)
    return replace(ground, bootstrap=broker.bootstrap, topic=TOPIC, database=databases.url)


if __name__ == "__main__":
    main()
