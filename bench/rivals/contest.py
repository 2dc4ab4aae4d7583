"""One run of one contestant: what it took, and whether it came to the right rows."""

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.installation import compiled
from bench.rivals.entries import Entry, Ground
from bench.rivals.process_tree import ProcessTree

KILLED_PATIENCE_S = 60.0

_LOOK_S, _PATIENCE_S = 0.02, 1_800.0
_ROOT = Path(__file__).resolve().parents[2]


class WrongRows(Exception):
    """A contestant has come to other rows than the oracle; its figures count for nothing."""


class EndedBefore(Exception):
    """A contestant had ended when it was to be killed."""


class NeverEnds(Exception):
    """A contestant goes on for much longer than it should."""


@dataclass(frozen=True)
class Taken:
    """What a run took: wall-clock seconds, CPU-seconds of all its processes, and the MB of memory
    that each of them had at most, added up. Servers that it uses are not in it."""

    seconds: float
    cpu_s: float
    peak_mb: float


def run_once(
    entry: Entry, ground: Ground, out: Path, expected: Mapping[tuple[int, str], int]
) -> Taken:
    """Measure a run into the new folder `out`, and compare its rows afterwards.

    Raises `WrongRows`, and `RuntimeError` with the last lines that it printed if it fails.
    """
    if len(entry.commands(ground, out)) > 1:
        out.mkdir()
    taken = _run(entry, ground, out)
    _check(entry, ground, out, expected)
    return taken


def run_killed(
    entry: Entry,
    ground: Ground,
    out: Path,
    expected: Mapping[tuple[int, str], int],
    after_s: float,
) -> float:
    """Kill all processes of a run with -9 so many seconds after its start, and start it again on
    what it has left. Returns the seconds from the new start until it has come to the end, exactly.

    Raises as `run_once`, `EndedBefore`, and `NeverEnds` after ten times as long, or a minute.
    """
    with (out.parent / f"{out.name}.killed").open("w+") as said:
        processes = started(entry, ground, out, said)
        time.sleep(after_s)
        have_ended = [process.poll() is not None for process in processes]
        for process in processes:
            ProcessTree(process.pid).kill()
            process.wait()
    if any(have_ended):
        raise EndedBefore(f"{entry.name} had ended before {after_s:.1f} s were over")
    seconds = _run(entry, ground, out, max(KILLED_PATIENCE_S, 10 * after_s)).seconds
    _check(entry, ground, out, expected)
    return seconds


def _run(entry: Entry, ground: Ground, out: Path, patience_s: float = _PATIENCE_S) -> Taken:
    with (out.parent / f"{out.name}.said").open("w+") as said:
        began = time.perf_counter()
        processes = started(entry, ground, out, said)
        try:
            trees = _watched(processes, patience_s)
        except _Failed as failed:
            said.seek(0)
            raise RuntimeError(f"{entry.name} failed:\n{said.read()[-2_000:]}") from failed
        except NeverEnds:
            raise NeverEnds(f"{entry.name} had not ended after {patience_s:.0f} s") from None
        seconds = time.perf_counter() - began
    return Taken(seconds, sum(tree.cpu_s for tree in trees), sum(tree.peak_mb for tree in trees))


def started(
    entry: Entry, ground: Ground, out: Path, said: IO[str]
) -> list[subprocess.Popen[bytes]]:
    """All processes of a contestant, at once; what they print goes into `said`. Modules
    of Python are found compiled from the second round on, as they are where they are installed."""
    environment = {**os.environ, **compiled(out.parent), **entry.environment}
    return [
        subprocess.Popen(command, stdout=said, stderr=said, cwd=_ROOT, env=environment)
        for command in entry.commands(ground, out)
    ]


class _Failed(Exception):
    """A process has ended with an error."""


def _watched(processes: list[subprocess.Popen[bytes]], patience_s: float) -> list[ProcessTree]:
    """What all of them took, once they have ended. Raises `_Failed` or `NeverEnds`, and ends the
    others."""
    ends_at = time.monotonic() + patience_s
    trees = [ProcessTree(process.pid) for process in processes]
    try:
        while any(process.poll() is None for process in processes):
            for tree in trees:
                tree.look()
            if any(process.poll() for process in processes):
                raise _Failed
            if time.monotonic() > ends_at:
                raise NeverEnds
            time.sleep(_LOOK_S)
    finally:
        for process in processes:
            if process.poll() is None:
                ProcessTree(process.pid).kill()
                process.wait()
    if any(process.poll() for process in processes):
        raise _Failed
    return trees


def _check(
    entry: Entry, ground: Ground, out: Path, expected: Mapping[tuple[int, str], int]
) -> None:
    told = subprocess.run(
        entry.rows(ground, out), check=False, capture_output=True, text=True, cwd=_ROOT
    )
    if told.returncode:
        raise RuntimeError(f"the rows of {entry.name} can't be read:\n{told.stderr[-2_000:]}")
    rows: dict[tuple[int, str], int] = {}
    for line in told.stdout.splitlines():
        start, user, count = line.split("\t")
        if (int(start), user) in rows:
            raise WrongRows(f"{entry.name} has two rows of {user} at {start}")
        rows[int(start), user] = int(count)
    if rows != expected:
        raise WrongRows(
            f"{entry.name} has {len(rows):,} rows, which sum up to {sum(rows.values()):,}; right "
            f"are {len(expected):,} with {sum(expected.values()):,}"
        )
