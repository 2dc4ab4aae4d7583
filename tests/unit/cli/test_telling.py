import json
import logging

from rtcdp.cli import terminal
from rtcdp.cli.telling import entry_of, shower
from rtcdp.clock import ManualClock
from rtcdp.runtime.settings import Settings
from rtcdp.telemetry import entry_now

CLOCK = ManualClock(1_767_225_600_250)


def test_entries_are_shown_as_text(capsys):
    entry = entry_now(CLOCK, "WARNING", "http", "no [bold] disk\x1b[2J\nforged")
    shower(Settings(), terminal.err)(entry)
    assert capsys.readouterr().err == (
        "2026-01-01T00:00:00.250Z WARNING http: no [bold] disk\\x1b[2J\\nforged\n"
    )


def test_entries_are_shown_as_json(capsys):
    shower(Settings(log_format="json"), terminal.out)(entry_now(CLOCK, "INFO", "http", "x" * 500))
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line)["message"] == "x" * 500


def test_a_line_of_a_part_is_its_entry_or_a_warning():
    entry = entry_now(CLOCK, "ERROR", "http", "no disk")
    assert entry_of(entry.as_json(), "http", CLOCK) == entry
    other = entry_of("Traceback", "http", CLOCK)
    assert (other.level, other.part, other.message) == ("WARNING", "http", "Traceback")
    assert logging.getLevelName(other.level) == logging.WARNING
