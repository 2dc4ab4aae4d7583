"""Which processes run in a folder, and how to wait for what they do."""

import os
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_S = 120


def processes_in(folder: Path) -> list[int]:
    """The process ids of all that work in the folder or below."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = Path(os.readlink(process / "cwd").removesuffix(" (deleted)"))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended, or is none of ours
        if where.is_relative_to(folder.resolve()):
            found.append(int(process.name))
    return found


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Poll until the condition holds; `what` is said when it never does."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
