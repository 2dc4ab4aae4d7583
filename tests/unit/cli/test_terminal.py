import pytest
from rich.console import Console
from rich.text import Text

from rtcdp.cli import terminal
from rtcdp.cli.terminal import (
    balance,
    complain,
    duration,
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
)
from rtcdp.errors import UsageError

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
