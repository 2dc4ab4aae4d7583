"""The README is true: its commands run, its links lead somewhere, its example counts."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
BIN = Path(sys.executable).parent


def commands() -> list[str]:
    """The lines of all shell blocks; a line goes on while a quote is open."""
    found: list[str] = []
    pending = ""
    for kind, block in BLOCKS:
        for line in block.replace("\\\n", "").splitlines() if kind == "sh" else ():
            pending = f"{pending}\n{line}" if pending else line
            try:
                shlex.split(pending, comments=True)
            except ValueError:
                continue
            found.append(pending)
            pending = ""
    return found


def python_blocks() -> list[str]:
    return [block for kind, block in BLOCKS if kind == "python"]


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
        deadline = time.monotonic() + 60
        while not _has_page_views(port):
            assert time.monotonic() < deadline, (directory / "output.txt").read_text()
            time.sleep(0.1)
        yield port
        up.send_signal(signal.SIGTERM)
        assert up.wait(30) == 0


def _has_page_views(port: str) -> bool:
    url = f"http://127.0.0.1:{port}/api/analytics/user/user_A/page-views"
    try:
        return bool(httpx.get(url).json())
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


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("curl")])
def test_every_request_is_answered(command: str, platform: str, tmp_path: Path) -> None:
    on_its_port = command.replace("localhost:8081", f"localhost:{platform}")
    answer = json.loads(run(on_its_port.replace("curl", "curl -sS --fail-with-body", 1), tmp_path))
    assert answer


def test_the_example_event_is_accepted_as_it_says(platform: str, tmp_path: Path) -> None:
    (command,) = (c for c in commands() if "order-1001" in c)
    (expected,) = (block.strip() for kind, block in BLOCKS if kind == "json")
    fresh = command.replace("order-1001", "order-1002").replace(
        "localhost:8081", f"localhost:{platform}"
    )
    assert run(fresh.replace("curl", "curl -sS", 1), tmp_path) == expected


def test_the_commands_on_recorded_data_run_one_after_another(tmp_path: Path) -> None:
    lines = [c for c in commands() if c.startswith("rtcdp") and "kafka://" not in c]
    assert len(lines) >= 5
    outputs = [run(line, tmp_path) for line in lines]
    assert "no difference" in outputs[-1]


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {c.split()[1] for c in commands() if c.startswith("make")}
    assert named
    assert named <= targets


def test_the_example_metric_counts_as_its_test_says(tmp_path: Path) -> None:
    definition, test = python_blocks()
    names: dict[str, object] = {}
    exec(definition + test, names)  # noqa: S102
    names["test_small_orders_do_not_count"](tmp_path)  # type: ignore[operator]


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
