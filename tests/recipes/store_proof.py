"""A store in one folder and one line: settings, commands and the conformance suite know it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_it_counts_what_is_replayed(tmp_path):
    events = tmp_path / "events.ndjson"
    events.write_text(
        '{"userId":"ada","timestamp":"2026-03-01T12:00:00Z","eventType":"PAGE_VIEW"}\n' * 3
    )
    where = ("--data-dir", str(tmp_path / "data"), "--store", f"twin:{tmp_path / 'answers'}")
    run("rtcdp", "replay", str(events), *where)
    run("rtcdp", "process", "--once", *where)
    assert '"admitted": 3' in run("rtcdp", "ledger", "--json", *where)
    assert "no difference" in run("rtcdp", "verify", *where)


def test_it_passes_the_conformance_suite():
    run("pytest", "-q", "-p", "no:cacheprovider", "tests/conformance/stores", "--stores", "twin")
