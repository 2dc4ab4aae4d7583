"""Made-up events, to every place they can go to, as real processes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Generate = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def generate(tmp_path: Path) -> Iterator[Generate]:
    """Starts the command with pipes for its output."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*flags: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "rtcdp", "generate", *flags]
        pipe = subprocess.PIPE
        # Containers often say that; a signal may cut a write short then.
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        started.append(subprocess.Popen(command, cwd=tmp_path, env=env, stdout=pipe, stderr=pipe))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def ended(process: subprocess.Popen[bytes]) -> tuple[int, list[str]]:
    """The exit code, and the lines on standard error."""
    _, said = process.communicate(timeout=180)
    return process.returncode, said.decode().splitlines()


def test_a_recording_is_replayed_to_the_last_event(rtcdp, tmp_path):
    file, data = tmp_path / "visits.ndjson.gz", tmp_path / "data"
    assert rtcdp("generate", "--events", "5000", "--out", file).returncode == 0
    assert "admitted 5,000" in rtcdp("replay", file, "--data-dir", data).stdout


def test_a_collector_is_told_of_and_tells_of_every_line(up, rtcdp):
    running = up("--no-generate")
    flaws = ("--duplicates", "0.1", "--malformed", "0.2", "--late", "0.3")
    port = running.url.rpartition(":")[2]
    done = rtcdp("generate", "--port", port, "--rate", "2000", "--events", "1000", *flaws)
    assert (done.returncode, done.stdout) == (0, "")
    _, summary = done.stderr.splitlines()
    made = re.findall(r"(\d+) (?:good|duplicate|late|malformed)[,)]", summary)
    good, duplicate, late, malformed = map(int, made)
    assert summary.endswith(
        f"sent 1,000 to {running.url}: {good + late} accepted, {duplicate} duplicates, "
        f"{malformed} rejected"
    )
    running.wait_for(lambda: running.totals()["received"] == 1000)
    counted = [running.totals()[v] for v in ("admitted", "duplicate", "late", "dead_letter")]
    assert counted == [good, duplicate, late, malformed]


def test_a_past_is_history_to_a_running_platform_and_never_late(up, rtcdp):
    running = up("--no-generate")
    done = rtcdp("generate", "--days", "3", "--users", "200", "--to", running.url)
    taken = re.search(rf"; ([\d,]+) taken by {running.url}\n$", done.stderr)
    count = int(taken[1].replace(",", ""))
    running.wait_for(lambda: running.totals()["received"] == count > 500)
    assert running.totals()["admitted"] == count


def test_a_reader_may_go_when_it_has_enough(generate):
    endless = generate("--out", "-", "--rate", "5000")
    assert json.loads(endless.stdout.readline())["userId"]
    endless.stdout.close()
    assert endless.wait(180) == 0
    announced = endless.stderr.read().decode()
    assert announced == "rtcdp writes 5000 events per second to standard output (Ctrl-C stops it)\n"


def test_an_endless_run_ends_well_when_it_is_stopped(generate, tmp_path):
    endless = generate("--out", "visits.ndjson")
    endless.stderr.readline()
    endless.send_signal(signal.SIGINT)
    code, said = ended(endless)
    assert (code, said[-1].endswith("written to visits.ndjson")) == (130, True)
    assert all(map(json.loads, (tmp_path / "visits.ndjson").read_bytes().splitlines()))


def test_a_run_that_is_stopped_before_its_end_says_so_and_leaves_whole_lines(generate):
    long = generate("--out", "-", "--events", "1000000")
    lines = [long.stdout.readline()]
    long.send_signal(signal.SIGINT)
    lines += long.stdout
    assert ended(long)[0] == 130
    assert all(map(json.loads, lines))


@pytest.mark.parametrize("name", ["full.ndjson", "full.ndjson.gz"])
def test_a_full_disk_is_told_in_two_lines(generate, tmp_path, name):
    (tmp_path / name).symlink_to("/dev/full")
    code, said = ended(generate("--events", "20000", "--out", name))
    assert (code, len(said)) == (3, 2), said
    assert said[0] == f"rtcdp: {name} can't be written: No space left on device"
