"""Another process that commits epochs to a store, each adding 1 to one and the same row.

So the row's count, the ledger and the epoch's number always have to be equal.
"""

import subprocess
import sys
from pathlib import Path

import pytest

COMMITTER = "tests.chaos.store.committer"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def committer(path):
    """Starts the other process with some arguments; none outlives the test."""
    started = []

    def start(*arguments):
        command = [sys.executable, "-W", "error", "-m", COMMITTER, str(path), *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
