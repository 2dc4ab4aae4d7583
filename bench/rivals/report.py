"""The table of a contest, and its place in docs/benchmarks.md."""

import importlib.metadata
import math
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.rivals.contest import Taken
from bench.rivals.entries import Entry

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
_PINS = Path(__file__).parent / "requirements.in"
_POMS = [Path(__file__).parent / folder / "pom.xml" for folder in ("java", "flink")]
_JAVA_NAMES = ("hazelcast", "kafka-streams", "flink")


def table(
    entries: Sequence[Entry],
    taken: Mapping[str, Sequence[Taken]],
    events: int,
    after_kill_s: Mapping[str, float],
) -> str:
    """Markdown: a line for each contestant, the quickest first, those that read a file before those
    that read a broker; what those took after a kill that were killed; and what each guarantees."""
    by_speed = sorted(entries, key=lambda entry: _usual(taken[entry.name]))
    lines = [_heading(events, max(map(len, taken.values()))), ""]
    for is_from_topic, what in ((False, "from a file of JSON lines"), (True, "from a topic")):
        those = [entry for entry in by_speed if entry.is_from_topic is is_from_topic]
        if those:
            lines += [
                f"| {what} | events/s (slowest–quickest) | CPU-s a million | memory, peaks added |",
                "|---|---:|---:|---:|",
                *(_line(entry.name, taken[entry.name], events) for entry in those),
                "",
            ]
    if after_kill_s:
        lines += [
            "| killed with -9 at half of its time, and started again | exact after | a whole run |",
            "|---|---:|---:|",
            *(
                f"| {name} | {_seconds(took_s)} | {_seconds(_usual(taken[name]))} |"
                for name, took_s in sorted(after_kill_s.items(), key=lambda each: each[1])
            ),
            "",
        ]
    lines += [
        "| | what is durable | exactly once | an id that comes again | a late event |",
        "|---|---|---|---|---|",
    ]
    for entry in by_speed:
        told = entry.guarantees
        cells = (entry.name, told.durable, told.exactly_once, told.repeats, told.late)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _usual(runs: Sequence[Taken]) -> float:
    return median(one.seconds for one in runs)


def _seconds(seconds: float) -> str:
    return "did not end by itself" if math.isinf(seconds) else f"{seconds:.1f} s"


def _heading(events: int, rounds: int) -> str:
    pins = [line for line in _PINS.read_text().splitlines() if line and line[0] != "#"]
    versions = ", ".join(pin.replace("==", " ") for pin in pins if "==" in pin)
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}; rtcdp {importlib.metadata.version('rtcdp')}, "
        f"{versions}, {_java_versions()}. {events:,} events; "
        + (f"the median of {rounds} runs in turn." if rounds > 1 else "one run each.")
    )


def _java_versions() -> str:
    dependency = r"<artifactId>([\w-]+)</artifactId>\s*<version>([\d.]+)<|<(\w+)>([\d.]+)</\3>"
    found = [match for pom in _POMS for match in re.findall(dependency, pom.read_text())]
    versions = {first or second: one or two for first, one, second, two in found}
    return ", ".join(f"{name} {versions[name]}" for name in _JAVA_NAMES)


def _line(name: str, runs: Sequence[Taken], events: int) -> str:
    rates = sorted(events / one.seconds for one in runs)
    speed = f"{median(rates):,.0f}"
    if len(rates) > 1:
        speed += f" ({rates[0]:,.0f}–{rates[-1]:,.0f})"
    cpu = median(one.cpu_s for one in runs) / events * 1_000_000
    memory = median(one.peak_mb for one in runs)
    return f"| {name} | {speed} | {cpu:.2f} | {memory:,.0f} MB |"


def write_to_page(told: str, name: str) -> None:
    """Put a table in the place of the one of this name before."""
    page = _PAGE.read_text()
    begin, end = (f"<!-- {name}: {where} -->" for where in ("begin", "end"))
    before, after = page.split(begin)[0], page.split(end)[1]
    _PAGE.write_text(f"{before}{begin}\n{told}{end}{after}")
