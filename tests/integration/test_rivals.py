"""A contest counts only what is right, and counts all that it took."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from bench.rivals import contest
from bench.rivals.contest import EndedBefore, NeverEnds, Taken, WrongRows, run_killed, run_once
from bench.rivals.entries import ENTRIES, Entry, Ground, Guarantees
from bench.rivals.freshness import Pace, measure
from bench.rivals.freshness import table as freshness_table
from bench.rivals.oracle import expected_rows
from bench.rivals.report import table
from rtcdp.sources.synthetic.bulk import bench_events

OURS = ENTRIES[0]
POLARS = Entry(
    "Polars, here",
    lambda ground, out: ((*_POLARS, "run", str(ground.events), str(out)),),
    lambda _, out: (*_POLARS, "rows", str(out)),
    Guarantees("the result", "no", "counted", "counted"),
)
_POLARS = (sys.executable, "-m", "bench.rivals.polars_batch")
WORK = "x = bytearray(200_000_000); sum(range(20_000_000))"
BUSY = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORK!r}])"
GOES_ON = """
import pathlib, sys, time
out = pathlib.Path(sys.argv[1])
with out.open("a+") as rows:
    rows.seek(0)
    for number in range(len(rows.readlines()), 40):
        time.sleep(0.05)
        print(number, "somebody", 1, sep="\\t", file=rows, flush=True)
"""
SET = """
import os, pathlib, sys
pathlib.Path(sys.argv[1]).write_text(f"0\\t{os.environ['MADE_UP']}\\t1\\n")
"""
TELLS = "import pathlib, sys; sys.stdout.write(pathlib.Path(sys.argv[1]).read_text())"


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    ground = Ground(tmp_path_factory.mktemp("rivals") / "events.ndjson")
    ground.events.write_bytes(b"".join(bench_events(20_000, users=20)))
    return ground


@pytest.mark.parametrize("entry", [OURS, POLARS], ids=lambda entry: entry.name)
def test_whoever_shares_no_code_comes_to_the_same_rows(entry, ground, tmp_path: Path) -> None:
    run_once(entry, ground, tmp_path / "out", expected_rows(ground.events))


def test_one_page_view_too_many_and_a_figure_counts_for_nothing(ground, tmp_path: Path) -> None:
    expected = expected_rows(ground.events)
    expected[next(iter(expected))] -= 1
    with pytest.raises(WrongRows, match="Polars, here has"):
        run_once(POLARS, ground, tmp_path / "out", expected)


def test_what_a_contestant_starts_is_measured_with_it(ground, tmp_path: Path) -> None:
    busy = replace(
        POLARS,
        commands=lambda *_: ((sys.executable, "-c", BUSY),),
        rows=lambda *_: (sys.executable, "-c", ""),
    )
    taken = run_once(busy, ground, tmp_path / "out", {})
    assert taken.peak_mb > 200
    assert taken.cpu_s > 0.1


def test_a_contestant_is_started_with_what_its_entry_sets(ground, tmp_path: Path) -> None:
    tells = replace(
        POLARS,
        commands=lambda _, out: ((sys.executable, "-c", SET, str(out)),),
        rows=lambda _, out: (sys.executable, "-c", TELLS, str(out)),
        environment={"MADE_UP": "somebody"},
    )
    run_once(tells, ground, tmp_path / "out", {(0, "somebody"): 1})


def test_who_fails_is_named_with_what_was_said(ground, tmp_path: Path) -> None:
    failing = replace(
        POLARS, commands=lambda *_: ((sys.executable, "-c", "exit('no such thing')"),)
    )
    with pytest.raises(RuntimeError, match=r"Polars, here failed:\nno such thing"):
        run_once(failing, ground, tmp_path / "out", {})


def test_who_is_killed_goes_on_to_the_same_rows_or_its_figure_counts_for_nothing(
    ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = replace(
        POLARS,
        commands=lambda _, out: ((sys.executable, "-c", GOES_ON, str(out)),),
        rows=lambda _, out: (sys.executable, "-c", TELLS, str(out)),
    )
    expected = {(number, "somebody"): 1 for number in range(40)}
    assert run_killed(goes_on, ground, tmp_path / "out", expected, 1) > 0.2
    begins_again = replace(
        goes_on,
        commands=lambda _, out: (
            (sys.executable, "-c", GOES_ON.replace("len(rows.readlines())", "0"), str(out)),
        ),
    )
    with pytest.raises(WrongRows, match="two rows of somebody"):
        run_killed(begins_again, ground, tmp_path / "again", expected, 1)
    for_ever = replace(
        goes_on, commands=lambda *_: ((sys.executable, "-c", "import time; time.sleep(99)"),)
    )
    monkeypatch.setattr(contest, "KILLED_PATIENCE_S", 0.6)
    with pytest.raises(NeverEnds, match="had not ended after 1 s"):
        run_killed(for_ever, ground, tmp_path / "ever", expected, 0.05)
    with pytest.raises(EndedBefore, match="ended before"):
        run_killed(goes_on, ground, tmp_path / "out", expected, 1)


ANSWERS = """
import pathlib, sys, time
asked, told = map(pathlib.Path, sys.argv[1:])
while True:
    time.sleep(0.2)
    told.write_text(asked.read_text())
"""


class InFiles:
    """A load that goes into a file, and what is seen of it in another one."""

    def __init__(self, folder: Path) -> None:
        self.asked, self.told = folder / "asked", folder / "told"
        self.asked.touch()
        self.told.touch()

    def running(self):
        return nullcontext()

    def send(self, user: str) -> None:
        with self.asked.open("a") as asked:
            asked.write(f"{user}\n")

    def among(self, users) -> set[str]:
        return set(self.told.read_text().split()).intersection(users)

    def close(self) -> None:
        pass


def test_an_answer_is_as_old_as_the_wait_for_it(ground, tmp_path: Path) -> None:
    files = InFiles(tmp_path)
    command = sys.executable, "-c", ANSWERS, str(files.asked), str(files.told)
    answering = replace(POLARS, commands=lambda *_: (command,), seen=lambda *_: files)
    fresh = measure(answering, ground, tmp_path / "out", files, Pace(0.5, 1.5, 5))
    assert fresh.missing == 0
    assert len(fresh.delays_ms) == pytest.approx(15, abs=2)
    assert max(fresh.delays_ms) > 80
    line = freshness_table({"Answering": fresh}, 5_000).splitlines()[2]
    assert line.startswith("| Answering | ")
    ends = replace(answering, commands=lambda *_: ((sys.executable, "-c", "exit('no more')"),))
    with pytest.raises(RuntimeError, match="has ended:\nno more"):
        measure(ends, ground, tmp_path / "ended", files, Pace(0.5, 1.5, 5))


def test_the_quickest_stands_first_with_what_it_guarantees() -> None:
    taken = {OURS.name: [Taken(2, 3, 10)], POLARS.name: [Taken(1, 1, 20), Taken(4, 1, 20)]}
    lines = table([POLARS, OURS], taken, 1_000_000, {OURS.name: 1.5}).splitlines()
    assert lines[4] == "| rtcdp, door and engine | 500,000 | 3.00 | 10 MB |"
    assert lines[5] == "| Polars, here | 625,000 (250,000–1,000,000) | 1.00 | 20 MB |"
    assert "| rtcdp, door and engine | 1.5 s | 2.0 s |" in lines
    assert lines[-1] == "| Polars, here | the result | no | counted | counted |"
