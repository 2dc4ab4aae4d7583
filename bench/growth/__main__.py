"""How the cost of an event grows: with users, metrics, overlap, partitions and history.

    python -m bench.growth [--events N] [--rounds N] [--only CURVE …] [--write]

Each point is a process of its own, and the points of a curve are taken in turn, so that whatever
else the machine does meets all of them. `--write` keeps table and picture in the docs.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import track

from bench.growth.curves import CURVES, Curve, Point, grows_by_decade
from bench.growth.picture import picture

ROOT = Path(__file__).resolve().parents[2]
PAGE, PICTURE = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "images" / "growth.svg"
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"

_console = Console(stderr=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=CURVES, default=list(CURVES))
    parser.add_argument("--largest", type=int, default=10**9, help="leave out larger sizes")
    parser.add_argument("--write", action="store_true", help="keep the result in the docs")
    chosen = parser.parse_args()
    found = {
        name: taken(CURVES[name], chosen.events, chosen.rounds, chosen.largest)
        for name in chosen.only
    }
    told = table(found, chosen.events, chosen.rounds)
    sys.stdout.write(told)
    if chosen.write:
        page = PAGE.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{told}{END}{after}")
        PICTURE.write_text(f"{picture(found)}\n")


def taken(curve: Curve, events: int, rounds: int, largest: int) -> Sequence[Point]:
    """The points of a curve, of which each is the median of so many."""
    sizes = [size for size in curve.sizes if size <= largest]
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    turns = [size for _ in range(rounds) for size in sizes]
    for size in track(turns, curve.name, console=_console):
        command = [sys.executable, "-m", "bench.growth.point", curve.name, str(size)]
        done = subprocess.run(
            [*command, "--events", str(events)], cwd=ROOT, check=True, stdout=subprocess.PIPE
        )
        costs[size].append(json.loads(done.stdout)["cpu_s_a_million"])
    return tuple(Point(size, median(costs[size])) for size in sizes)


def table(found: Mapping[str, Sequence[Point]], events: int, rounds: int) -> str:
    """Markdown: a line for each curve, with its points, its growth and the reason."""
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores ({platform.machine()}), "
        f"{events:,} events a point, or one for each user where these are more, "
        + (f"the median of {rounds} in turn." if rounds > 1 else "one run each."),
        "",
        "| what grows | CPU-seconds a million events | for each tenfold | why |",
        "|---|---|---:|---|",
    ]
    for name, points in found.items():
        costs = ", ".join(f"{point.size:,}: {point.cpu_s_a_million:.2f}" for point in points)
        growth = f"× {grows_by_decade(points):.2f}"
        lines.append(f"| {CURVES[name].of_what} | {costs} | {growth} | {CURVES[name].reason} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
