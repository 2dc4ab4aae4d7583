"""The guardian as its starter sees it: a process with a pipe."""

import os
import pwd
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from deploy.servers import guardian

SCRIPT = [sys.executable, "-S", "-E", guardian.__file__]
FOREVER = ["/bin/sleep", "600"]


@contextmanager
def guarded(*command, **options):
    """A guardian, and the process id of its server."""
    process = subprocess.Popen(
        [*SCRIPT, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )
    with process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def assert_ends(pid: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, f"{pid} lives on"
        time.sleep(0.01)


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 128 + 9)])
def test_its_exit_code_is_the_servers(script, code):
    with guarded("/bin/sh", "-c", script) as (process, _):
        assert process.wait(120) == code


def test_the_server_dies_when_the_pipe_closes():
    with guarded(*FOREVER) as (process, server):
        process.stdin.close()
        assert process.wait(120) == 128 + signal.SIGKILL
        assert_ends(server)


def test_the_server_dies_with_the_starter_though_a_fork_of_it_holds_the_pipe():
    starter = (
        "import os, subprocess, sys, time\n"
        f"guard = subprocess.Popen({[*SCRIPT, *FOREVER]!r}, stdin=subprocess.PIPE,"
        " stdout=subprocess.PIPE, text=True)\n"
        "server = guard.stdout.readline()\n"
        "fork = os.fork()\n"
        "if fork:\n"
        "    print(fork, server, flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True)
    with process:
        fork, server = map(int, process.stdout.readline().split())
        process.kill()
        try:
            assert_ends(server)
        finally:
            os.kill(fork, signal.SIGKILL)


def test_the_server_dies_with_the_guardian():
    with guarded(*FOREVER) as (process, server):
        process.kill()
        assert_ends(server)


def test_what_the_server_leaves_behind_is_killed(tmp_path):
    orphan = tmp_path / "orphan"
    script = f"(sleep 600 & echo $! > {orphan}.new; mv {orphan}.new {orphan}) & wait; exit 0"
    with guarded("/bin/sh", "-c", script) as (process, _):
        assert process.wait(120) == 0
        assert_ends(int(orphan.read_text()))


def test_it_runs_the_server_as_another_user():
    # Only root may become somebody else.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    script = "id -u; id -G"
    command = ("--user", user.pw_name, "/bin/sh", "-c", script)
    with guarded(*command, stderr=subprocess.PIPE) as (process, _):
        assert process.stderr.read().splitlines() == [str(user.pw_uid), str(user.pw_gid)]
