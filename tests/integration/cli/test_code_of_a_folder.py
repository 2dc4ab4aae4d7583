"""A folder whose `rtcdp.toml` names code: on a terminal, the program asks."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

METRIC = """
from rtcdp.definitions import Count
from rtcdp.definitions import Metric
from rtcdp.definitions import tumbling
METRIC = Metric(name="visits", title="V", window=tumbling(hours=1), measures=(Count("n"),))
"""


@pytest.fixture
def answered(tmp_path: Path) -> Callable[[str], tuple[int, str]]:
    """Runs `rtcdp metrics` on a terminal in such a folder, and gives the answer to its question."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "visits.py").write_text(METRIC)
    (tmp_path / "rtcdp.toml").write_text('catalog = "mine"')

    def answered(answer: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "rtcdp", "metrics"],
            cwd=tmp_path,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            said = b""
            while b"[y/N]" not in said:
                said += os.read(ours, 4096)
            os.write(ours, answer.encode() + b"\n")
            try:
                while chunk := os.read(ours, 4096):
                    said += chunk
            except OSError:
                pass  # so a terminal says that nobody is at its other end
        os.close(ours)
        return process.returncode, said.decode()

    return answered


def test_the_code_is_run_when_the_answer_is_yes(answered):
    code, said = answered("y")
    assert (code, "names code to run" in said, "visits" in said) == (0, True, True)


@pytest.mark.parametrize("answer", ["n", ""])
def test_it_is_not_when_the_answer_is_no(answered, answer):
    code, said = answered(answer)
    assert (code, "visits" in said) == (2, False)
