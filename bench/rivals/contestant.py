"""What every contestant is asked for: `run EVENTS OUT` is measured, `rows OUT` tells what came out.

Contestants know nothing of rtcdp and of each other; they run in an environment of their own
(`requirements.txt`).
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

WINDOW_MS = 60_000
STEP_MS = 30_000
WORKERS = 2
"""Threads, or processes, of those that have to be told how many."""

Row = tuple[int, str, int]
"""The start of a window (UTC ms), the user, and how many pages they viewed in it."""


def answer(run: Callable[[Path, Path], None], rows: Callable[[Path], Iterable[Row]]) -> None:
    """Do what the command line asks for: read `EVENTS`, JSON lines, and leave the counts in the new
    folder `OUT`; or print what was left there, a row a line."""
    match sys.argv[1:]:
        case ["run", events, out]:
            Path(out).mkdir()
            run(Path(events), Path(out))
        case ["rows", out]:
            tell(rows(Path(out)))
        case _:
            sys.exit("say run EVENTS OUT, or rows OUT")


def tell(rows: Iterable[Row]) -> None:
    """Print rows, one a line, as `rows OUT` is asked to."""
    sys.stdout.writelines(f"{start}\t{user}\t{count}\n" for start, user, count in rows)
