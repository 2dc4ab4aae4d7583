import os
import signal
import socket
import time
from collections.abc import Callable

import pytest

from deploy.servers import guardian
from deploy.servers.server_process import (
    ServerCommand,
    ServerFailed,
    ServerProcess,
    accepts_connections,
    free_port,
)

WAITS = "echo started; exec sleep 600"
WITH_CHILDREN = "sleep 600 & (sleep 600 & wait) & wait"
CLEAN = "trap 'echo clean; exit 0' TERM; echo on; while true; do sleep 0.05; done"
DEAF = "trap '' TERM; echo deaf; while true; do sleep 600; done"


@pytest.fixture
def server(tmp_path):
    """Makes servers of shell scripts, and kills them after the test."""
    made = []

    def make(script: str, **options: object) -> ServerProcess:
        command = ("/bin/sh", "-c", script)
        log = tmp_path / "server.log"
        made.append(ServerProcess(ServerCommand("It", command, tmp_path, log, **options)))
        return made[-1]

    yield make
    for process in made:
        process.kill()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def everyone_below(pid: int) -> list[int]:
    below = guardian.children_of(pid)
    return [*below, *(each for child in below for each in everyone_below(child))]


def log_of(tmp_path) -> str:
    return (tmp_path / "server.log").read_text()


def test_it_is_started_when_it_is_ready(server, tmp_path):
    process = server(WAITS)
    process.start(lambda: "started" in log_of(tmp_path))
    process.check()
    assert lives(process.pid)


def test_starting_what_runs_does_nothing(server):
    process = server(WAITS)
    process.start(lambda: True)
    pid = process.pid
    process.start(lambda: False)
    assert process.pid == pid


def test_it_starts_again_and_its_log_goes_on(server, tmp_path):
    process = server(WAITS)
    for times in (1, 2):
        process.start(lambda times=times: log_of(tmp_path).count("started") == times)
        process.stop()


def test_one_that_ends_before_it_is_ready_says_its_last_lines(server):
    process = server("echo the disk is full; exit 3")
    with pytest.raises(ServerFailed, match=r"It ended at once.*\n  the disk is full") as failure:
        process.start(lambda: False)
    assert "server.log" in failure.value.hint
    assert not process.running


def test_one_that_is_never_ready_is_killed(server):
    process = server(WAITS, ready_within_s=0.2)
    with pytest.raises(ServerFailed, match="did not answer in 0 s"):
        process.start(lambda: False)
    assert not process.running


def test_a_program_that_is_not_there_is_named(tmp_path):
    command = ServerCommand("It", ("no-such-server",), tmp_path, tmp_path / "server.log")
    with pytest.raises(ServerFailed, match=r"could not be run[\s\S]*no-such-server"):
        ServerProcess(command).start(lambda: True)


def test_one_that_is_not_running_has_no_process_id(server):
    with pytest.raises(ServerFailed, match="It is not running"):
        server(WAITS).pid  # noqa: B018 - asking is enough


def test_one_that_has_ended_by_itself_is_found(server):
    process = server("echo too old; exit 1")
    process.launch()
    wait_for(lambda: not process.running)
    with pytest.raises(ServerFailed, match=r"It has ended.*\n  too old"):
        process.check()


def test_it_is_asked_to_stop_by_its_signal(server, tmp_path):
    process = server(CLEAN.replace("TERM", "INT"), stop_signal=signal.SIGINT)
    process.start(lambda: "on" in log_of(tmp_path))
    process.stop()
    assert log_of(tmp_path).endswith("clean\n")
    process.stop()


def test_one_that_does_not_stop_is_killed(server, tmp_path):
    process = server(DEAF, stop_within_s=0.2)
    process.start(lambda: "deaf" in log_of(tmp_path))
    pid = process.pid
    process.stop()
    assert not lives(pid)


@pytest.mark.parametrize("how", [ServerProcess.kill, ServerProcess.stop])
def test_its_children_end_with_it(server, how):
    process = server(WITH_CHILDREN)
    process.start(lambda: len(everyone_below(process.pid)) == 3)
    everyone = [process.pid, *everyone_below(process.pid)]
    how(process)
    assert [pid for pid in everyone if lives(pid)] == []


def test_all_of_it_is_frozen_and_goes_on(server):
    def states(pid: int) -> set[str]:
        found = [pid, *everyone_below(pid)]
        stats = [(guardian.PROC / str(each) / "stat").read_text() for each in found]
        return {stat.rpartition(")")[2].split()[0] for stat in stats}

    process = server(WITH_CHILDREN)
    process.start(lambda: len(everyone_below(process.pid)) == 3)
    process.pause()
    wait_for(lambda: states(process.pid) == {"T"})
    process.resume()
    wait_for(lambda: states(process.pid) == {"S"})


def test_one_that_is_paused_hears_that_it_is_to_stop(server, tmp_path):
    process = server(CLEAN)
    process.start(lambda: "on" in log_of(tmp_path))
    process.pause()
    process.stop()
    assert log_of(tmp_path).endswith("clean\n")


def test_a_free_port_is_none_that_the_system_gives_to_clients():
    assert all(20_000 <= free_port() < 32_000 for _ in range(20))


def test_a_port_that_is_taken_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert accepts_connections(port)
        with pytest.raises(ServerFailed, match=f"port {port} of 127.0.0.1 is taken"):
            free_port(port)
    assert not accepts_connections(port)
    assert free_port(port) == port
