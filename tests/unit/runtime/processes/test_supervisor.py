import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rtcdp.clock import SystemClock
from rtcdp.runtime.processes.supervisor import PartCommand, PartGaveUp, RestartLimits, Supervisor
from rtcdp.telemetry import Entry

QUICK = RestartLimits(quick_s=60, backoff_s=0.01, max_quick_deaths=3)
UNTIL_STOPPED = "import sys; print(sys.stdin.readline().strip(), flush=True); sys.stdin.read()"


def part(code: str, name: str = "part", grace_s: float = 5.0) -> PartCommand:
    return PartCommand(name, (sys.executable, "-c", code), b"hello\n", grace_s)


@pytest.fixture
def supervised():
    """Starts parts; stops them after the test."""
    supervisors = []

    def start(
        *parts: PartCommand, limits: RestartLimits = QUICK, first: Sequence[str] = ()
    ) -> tuple[Supervisor, list[str]]:
        lines: list[str] = []
        supervisor = Supervisor(
            parts, SystemClock(), lambda name, line: lines.append(f"{name}: {line}"), limits
        )
        supervisors.append(supervisor)
        supervisor.start(*first)
        return supervisor, lines

    yield start
    for supervisor in supervisors:
        supervisor.stop()


def wait_for(condition, check=lambda: None) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        check()
        time.sleep(0.01)


def test_a_part_gets_its_input_and_its_lines_are_heard(supervised):
    _, lines = supervised(part(UNTIL_STOPPED))
    wait_for(lambda: lines == ["part: hello"])


def test_a_part_ends_when_its_input_does(supervised):
    supervisor, lines = supervised(part(UNTIL_STOPPED + "; print('clean', flush=True)"))
    wait_for(lambda: lines)
    supervisor.stop()
    assert lines[-1] == "part: clean"
    assert supervisor.status()[0].pid is None


def test_parts_stop_in_their_order(supervised):
    supervisor, lines = supervised(
        *(part(UNTIL_STOPPED + "; print('bye', flush=True)", name) for name in ("a", "b"))
    )
    wait_for(lambda: len(lines) == 2)
    supervisor.stop()
    assert lines[2:] == ["a: bye", "b: bye"]


def test_a_part_can_be_started_later_than_the_others(supervised):
    supervisor, lines = supervised(part(UNTIL_STOPPED, "a"), part(UNTIL_STOPPED, "b"), first=["b"])
    wait_for(lambda: lines, supervisor.check)
    assert (lines, supervisor.status()[0].pid) == (["b: hello"], None)
    supervisor.start("a")
    wait_for(lambda: lines == ["b: hello", "a: hello"])
    assert [status.restarts for status in supervisor.status()] == [0, 0]


def test_a_part_that_does_not_stop_is_killed(supervised):
    supervisor, lines = supervised(
        part("import time; print('on', flush=True); time.sleep(600)", grace_s=0.1)
    )
    wait_for(lambda: lines)
    supervisor.stop()
    assert supervisor.status()[0].pid is None


def test_what_dies_is_started_again(supervised, tmp_path):
    once = tmp_path / "once"
    code = f"import pathlib, os; p = pathlib.Path({str(once)!r})\n"
    code += "if not p.exists(): p.touch(); os.kill(os.getpid(), 9)\n" + UNTIL_STOPPED
    supervisor, lines = supervised(part(code))
    wait_for(lambda: "part: hello" in lines, supervisor.check)
    assert lines[0] == "part: died by signal 9; starting it again"
    assert supervisor.status()[0].restarts == 1


def test_what_is_killed_from_outside_comes_back_every_time(supervised):
    supervisor, lines = supervised(part(UNTIL_STOPPED))
    for times in range(1, QUICK.max_quick_deaths + 2):
        wait_for(lambda: lines.count("part: hello") == times, supervisor.check)  # noqa: B023
        os.kill(supervisor.status()[0].pid, signal.SIGKILL)
        wait_for(lambda: supervisor.status()[0].restarts == times, supervisor.check)  # noqa: B023
    wait_for(lambda: supervisor.status()[0].pid is not None, supervisor.check)


def test_what_dies_again_and_again_is_given_up_with_its_last_words(supervised):
    supervisor, _ = supervised(part("import sys; sys.exit('no disk')"))
    with pytest.raises(PartGaveUp, match=r"died 3 times in a row.*exit code 1: no disk"):
        wait_for(lambda: False, supervisor.check)


def test_wrong_usage_is_not_tried_again(supervised):
    supervisor, _ = supervised(part("import sys; print('bad catalog'); sys.exit(2)"))
    with pytest.raises(PartGaveUp, match="part can't run: bad catalog"):
        wait_for(lambda: False, supervisor.check)
    assert supervisor.status()[0].restarts == 0


@pytest.mark.parametrize("code", [1, 2])
def test_a_part_that_is_not_vital_is_told_once_and_tried_for_ever(supervised, tmp_path, code):
    mended = tmp_path / "mended"
    run = f"import os,sys; print('no column'); os.path.exists({str(mended)!r}) or sys.exit({code})"
    spare = replace(part(f"{run}; sys.stdin.read()"), is_vital=False)
    limits = replace(QUICK, hopeless_s=0.05)
    supervisor, lines = supervised(spare, part(UNTIL_STOPPED, "other"), limits=limits)
    wait_for(lambda: supervisor.status()[0].restarts >= 8, supervisor.check)
    told = [line for line in lines if "The other parts go on" in line]
    assert len(told) == 1
    assert "no column" in told[0]
    assert supervisor.status()[1].restarts == 0
    mended.touch()
    wait_for(lambda: supervisor.status()[0].pid is not None, supervisor.check)


def test_stopping_does_not_wait_for_what_is_dead(supervised):
    supervisor, _ = supervised(part("pass"))
    stopping = threading.Thread(target=supervisor.stop)
    stopping.start()
    stopping.join(5)
    assert not stopping.is_alive()


def test_the_last_words_of_a_part_are_told_without_their_envelope(supervised):
    entry = Entry(time="t", level="ERROR", part="part", message="the port is taken")
    code = f"import sys; print({entry.as_json()!r}, flush=True); sys.exit(2)"
    supervisor, _ = supervised(part(code))
    with pytest.raises(PartGaveUp, match=r"can't run: the port is taken$"):
        wait_for(lambda: False, supervisor.check)
