import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from rtcdp.cli import terminal
from rtcdp.cli.app import COMMANDS, command_of
from rtcdp.cli.terminal import (
    balance,
    complain,
    duration,
    entry_of,
    err,
    fits,
    listing,
    moment,
    number,
    out,
    progress_bar,
    remark,
    say,
    set_in,
    shower,
)
from rtcdp.clock import ManualClock
from rtcdp.errors import UsageError
from rtcdp.runtime.settings import Settings
from rtcdp.telemetry import entry_now

TOTALS = {"received": 1234, "admitted": 1231, "duplicate": 1, "late": 1, "dead_letter": 1}


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1500, "1.5 s"),
        (60_000, "1 min"),
        (90_000_000, "25 h"),
        (4 * 86_400_000, "4 d"),
    ],
)
def test_durations_have_a_fitting_unit(milliseconds, text):
    assert duration(milliseconds) == text


@pytest.mark.parametrize(("value", "text"), [(5, "5"), (2.5, "2.5"), (1234567, "1,234,567")])
def test_numbers_are_grouped(value, text):
    assert number(value) == text


def test_moments_are_in_utc():
    assert moment(1_767_225_600_000) == "2026-01-01 00:00:00"


def test_a_ledger_that_balances_says_so():
    assert balance(TOTALS).plain == (
        "received 1,234 = admitted 1,231 + duplicate 1 + late 1 + dead letter 1 ✓"
    )


def test_a_ledger_that_does_not_balance_says_so():
    assert "✗ it doesn't balance" in balance({**TOTALS, "late": 0}).plain


def test_errors_go_to_standard_error_with_their_hint(capsys):
    complain(UsageError("port is [x]", "give a number"))
    assert capsys.readouterr().err == "rtcdp: port is [x]\n  → give a number\n"


def test_remarks_go_to_standard_error(capsys):
    remark(Text("made [x]"))
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "made [x]\n")


def test_numbers_stand_to_the_right():
    assert [column.justify for column in listing("a", ">b").columns] == ["left", "right"]


def test_there_is_no_bar_where_there_is_no_terminal():
    assert not err.is_terminal
    assert progress_bar().disable


def test_values_are_shown_as_the_text_that_they_are(capsys):
    table = listing("user", "[b]page[/b]", title="a\x1b]0;b")
    table.add_row("[bold]ada[/bold]\x1b[2J", Text("a\nforged", "red"))
    say("in the folder [/bold]\nrtcdp: all is well", table)
    remark("\x1b[1A[red]")
    said = capsys.readouterr()
    assert "in the folder [/bold]\\nrtcdp: all is well\n" in said.out
    assert "[bold]ada[/bold]\\x1b[2J" in said.out
    assert "[b]page[/b]" in said.out
    assert "a\\nforged" in said.out
    assert said.err == "\\x1b[1A[red]\n"
    assert "\x1b" not in said.out


def test_an_error_that_quotes_a_server_stays_two_lines(capsys):
    complain(UsageError("it said \x1b[2J\nrtcdp: done", "try\nagain"))
    assert capsys.readouterr().err == "rtcdp: it said \\x1b[2J\\nrtcdp: done\n  → try\\nagain\n"


def test_a_table_fits_where_no_line_is_broken(monkeypatch):
    table = listing("name")
    table.add_row("x" * 60)
    monkeypatch.setattr(out, "width", 80)
    assert fits(table)
    monkeypatch.setattr(out, "width", 50)
    assert not fits(table)


def test_a_long_text_is_set_in_where_it_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "send one JSON object " * 3
    assert set_in(text) == [f"  {text.rstrip()}"]
    monkeypatch.setattr(terminal, "out", Console(width=24, force_terminal=True))
    assert set_in(text) == ["  send one JSON object"] * 3
    assert set_in("a\nb\x1b") == ["  a\\nb\\x1b"]


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), ["dead-letters", "list"]])
def test_the_help_says_in_our_words_what_options_take(rtcdp, command):
    text = rtcdp(*command, "--help").out
    foreign = ("<bool>", "<int", "<float", "Path", "<str", "x>", "<x", "{")
    assert not [word for word in foreign if word in text]


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_a_list_of_commands_is_broken_as_its_source_is(name):
    for command in getattr(command_of(name), "commands", {}).values():
        assert "\n" not in command.help.partition("\n\n")[0]


def test_completion_is_explained_once(rtcdp):
    assert "--install-completion" not in rtcdp("dead-letters", "--help").out


def test_switches_and_choices_are_plain(rtcdp):
    text = rtcdp("up", "--help").out
    assert "native|spark" in text
    (line,) = [line for line in text.splitlines() if "--trust-network" in line]
    assert line.split()[1:4] == ["--trust-network", "Listen", "where"]


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


TELLS = """
import threading
from pathlib import Path
from rtcdp.cli import terminal
from rtcdp.clock import SystemClock
from rtcdp.runtime.settings import Settings
from rtcdp.telemetry import entry_now

def tell():
    for console in (terminal.out, terminal.err):
        show = terminal.shower(Settings(), console)
        for each in range(3):
            show(entry_now(SystemClock(), "WARNING", "processor", f"away {each}"))
        assert not console._buffer
    Path("went-on").touch()

thread = threading.Thread(target=tell)
thread.start()
thread.join()
terminal.remark("nobody hears this")
"""


@pytest.mark.parametrize("where", ["a reader who has gone", "a full disk"])
def test_what_is_told_to_nobody_ends_nothing(tmp_path: Path, where: str) -> None:
    """A thread that follows a part of `rtcdp up`, or is called by Spark, would hold that up."""
    if where == "a full disk":
        written = os.open("/dev/full", os.O_WRONLY)
    else:
        read, written = os.pipe()
        os.close(read)
    try:
        command = [sys.executable, "-c", TELLS]
        subprocess.run(
            command, stdout=written, stderr=written, cwd=tmp_path, check=False, timeout=60
        )
    finally:
        os.close(written)
    assert (tmp_path / "went-on").exists()
