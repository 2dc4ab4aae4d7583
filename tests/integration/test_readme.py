"""The README is true: its links lead somewhere, its example is answered as it says.

That its commands work is held by test_documented_commands.py.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.asked import NO_CERTIFICATES
from tests.documented import steps_in, steps_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
BIN = Path(sys.executable).parent


def commands() -> list[str]:
    return [step.text for step in steps_of("README.md") if not step.file]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`rtcdp up` as the README starts it, but on a free port; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    directory = tmp_path_factory.mktemp("up")
    with (directory / "output.txt").open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "rtcdp", "up", "--port", port],
            cwd=directory,
            stdout=output,
            stderr=output,
        )
        deadline = time.monotonic() + 180
        while not _has_page_views(port):
            assert time.monotonic() < deadline, (directory / "output.txt").read_text()
            time.sleep(0.1)
        yield port
        up.send_signal(signal.SIGTERM)
        assert up.wait(120) == 0


def _has_page_views(port: str) -> bool:
    url = f"http://127.0.0.1:{port}/api/analytics/user/user_A/page-views"
    try:
        return bool(httpx.get(url, verify=NO_CERTIFICATES).json())
    except httpx.TransportError:
        return False


def run(command: str, directory: Path) -> str:
    done = subprocess.run(  # noqa: S602 - typed as a reader types it
        command,
        shell=True,
        check=False,
        cwd=directory,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_example_event_is_accepted_as_it_says(platform: str, tmp_path: Path) -> None:
    (command,) = (c for c in commands() if "order-1001" in c)
    (expected,) = (block.strip() for kind, block in BLOCKS if kind == "json")
    fresh = command.replace("order-1001", "order-1002").replace(
        "localhost:8081", f"localhost:{platform}"
    )
    assert run(fresh.replace("curl", "curl -sS", 1), tmp_path) == expected


def test_what_commands_show_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a block of text follows one of commands, it is what the last of them says."""
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    told = [block for block, (kind, _) in pairwise(BLOCKS) if kind == "text"]
    shown = [text for kind, text in BLOCKS if kind == "text"]
    assert len(shown) == 6
    for (_, block), text in zip(told, shown, strict=True):
        said = [run(step.text, tmp_path) for step in steps_in(f"```sh\n{block}```\n")][-1]
        assert _lines(said) == _lines(text)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines() if line.strip()]


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {c.split()[1] for c in commands() if c.startswith("make")}
    assert named
    assert named <= targets


@pytest.mark.parametrize(
    "page", [README, *(p.read_text() for p in sorted((ROOT / "docs").glob("*.md")))]
)
def test_links_lead_to_files(page: str) -> None:
    folder = ROOT if page is README else ROOT / "docs"
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page):
        assert (folder / target).exists(), target


@pytest.mark.parametrize("command", re.findall(r"^\| `(rtcdp [^`]+)`", README, re.MULTILINE))
def test_every_part_runs_alone(command: str, tmp_path: Path) -> None:
    assert "--help" not in command
    assert "Usage" in run(f"{command} --help", tmp_path)
