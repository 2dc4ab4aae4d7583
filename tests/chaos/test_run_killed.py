"""A test run that is killed in the middle leaves nothing behind, whatever it had started."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROC = Path("/proc")
WITNESS = "RTCDP_TEST_WITNESS"
START_S = 240
END_S = 60

ALL_KINDS = """
import multiprocessing
import signal
import subprocess
import sys
import time

from deploy.servers.server_process import free_port
from tests.browser.conftest import browser
from tests.chaos.store.conftest import COMMITTER, ROOT

PYTHON = sys.executable


def test_in_the_middle(kafka_server, postgres_server, mongo_server, browser, spark, tmp_path):
    port = str(free_port())
    data_dir = str(tmp_path / "up")
    up = [PYTHON, "-m", "rtcdp", "up", "--port", port, "--data-dir", data_dir]
    processes = [
        subprocess.Popen(up, start_new_session=True),
        subprocess.Popen([PYTHON, "-m", COMMITTER, str(tmp_path / "store.db")], cwd=ROOT),
        subprocess.Popen(["/bin/sh", "-c", "setsid sleep 600 & exec sleep 600"]),
        subprocess.Popen([PYTHON, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True),
    ]
    processes[-1].send_signal(signal.SIGSTOP)
    forked = multiprocessing.get_context("forkserver").Process(target=time.sleep, args=(600,))
    forked.start()
    assert spark.range(10).count() == 10
    browser.new_page().goto("about:blank")
    (tmp_path.parent / "started").touch()
    time.sleep(600)
"""

ONE = """
import subprocess
import time


def test_in_the_middle(tmp_path):
    subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    (tmp_path.parent / "started").touch()
    time.sleep(600)
"""


@pytest.fixture
def witness() -> str:
    """What all processes of the run have in their environment, if they have one of ours at all."""
    return secrets.token_hex(8)


@pytest.fixture
def start(tmp_path: Path, witness: str) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a run of one test by the rules of this suite, and returns in the middle of it."""
    runs: list[subprocess.Popen[bytes]] = []

    def start(test: str, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
        (tmp_path / "test_it.py").write_text(test)
        output = tmp_path / "output.txt"
        with output.open("wb") as out:
            run = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"),
                    *("-c", str(tmp_path / "none.ini"), f"--basetemp={tmp_path / 'run'}"),
                    *arguments,
                    str(tmp_path / "test_it.py"),
                ],
                cwd=tmp_path,
                stdout=out,
                stderr=out,
                env={
                    **os.environ,
                    **environment,
                    WITNESS: witness,
                    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
                },
            )
        runs.append(run)
        deadline = time.monotonic() + START_S
        while not [*(tmp_path / "run").rglob("started")]:
            assert run.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.1)
        return run

    (tmp_path / "none.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    yield start
    for run in runs:
        run.kill()
        run.wait()


def test_what_a_killed_run_had_started_ends(start, witness: str) -> None:
    run = start(ALL_KINDS)
    family = descendants(run.pid) | with_witness(witness)
    said = "\n".join(sorted(command_of(pid) for pid, _ in family))
    for part in (
        "kafka.Kafka",
        "WireServer",
        "postgres",
        "chrom",
        "SparkSubmit",
        "rtcdp up",
        "tests.chaos.store.committer",
        "forkserver",
        "sleep 600",
        "leftovers.py",
    ):
        assert part in said, said
    run.send_signal(signal.SIGKILL)
    run.wait()
    none_is_left(family, witness)


def test_a_run_ends_with_the_command_that_it_is_for(start, witness: str) -> None:
    owner = subprocess.Popen(["/bin/sleep", "600"])
    run = start(ONE, RTCDP_TESTS_OF=str(owner.pid))
    family = descendants(run.pid) | with_witness(witness)
    assert len(family) == 3, "the run, its child and the watcher"
    owner.kill()
    owner.wait()
    assert run.wait(END_S) == -signal.SIGKILL
    none_is_left(family, witness)


@pytest.mark.parametrize("killed", ["the run", "its owner"])
def test_what_a_worker_of_a_killed_run_had_started_ends(start, witness: str, killed: str) -> None:
    owner = subprocess.Popen(["/bin/sleep", "600"])
    run = start(ONE, "-n", "1", RTCDP_TESTS_OF=str(owner.pid))
    family = descendants(run.pid) | with_witness(witness)
    assert len(family) == 5, "the run, its worker, the child, and a watcher each"
    (run if killed == "the run" else owner).kill()
    run.wait(END_S)
    none_is_left(family, witness)
    owner.kill()
    owner.wait()


Process = tuple[int, str]
"""A process id and when it started, since ids are used again."""


def none_is_left(family: set[Process], witness: str) -> None:
    deadline = time.monotonic() + END_S
    while left := {one for one in family if is_alive(one)} | with_witness(witness):
        assert time.monotonic() < deadline, [command_of(pid) for pid, _ in left]
        time.sleep(0.1)


def descendants(root: int) -> set[Process]:
    parents = {int(folder.name): status_of(folder) for folder in PROC.glob("[0-9]*")}
    found, waiting = set(), {root}
    while waiting:
        found |= {(pid, parents[pid][19]) for pid in waiting if parents.get(pid)}
        waiting = {pid for pid, status in parents.items() if status and int(status[1]) in waiting}
    return found


def with_witness(witness: str) -> set[Process]:
    sought = f"{WITNESS}={witness}".encode()
    found = set()
    for folder in PROC.glob("[0-9]*"):
        try:
            has_it = sought in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if has_it and (status := status_of(folder)):
            found.add((int(folder.name), status[19]))
    return found


def is_alive(process: Process) -> bool:
    pid, started = process
    status = status_of(PROC / str(pid))
    return bool(status) and status[19] == started and status[0] != "Z"


def status_of(folder: Path) -> list[str]:
    """What /proc says of a process after its name; nothing when there is no such process."""
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def command_of(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
