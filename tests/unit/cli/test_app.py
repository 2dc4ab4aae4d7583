import re

import pytest

import rtcdp as package
from rtcdp.cli.app import COMMANDS, command_of


def test_the_help_names_every_command_in_its_panel(rtcdp):
    text = rtcdp("--help").out
    panels = ("Run everything", "Run one part", "Look", "Maintain", "Prove")
    places = [text.index(f"─ {panel} ─") for panel in panels]
    assert places == sorted(places)
    commands = re.findall(r"│ ([a-z][a-z-]*) +[A-Z]", text)
    assert commands == [
        *("up", "replay"),
        *("collect", "process", "serve", "generate"),
        *("status", "events", "metrics", "query", "sessions", "user", "funnel", "retention"),
        *("paths", "joins", "anomalies", "recommend"),
        *("ledger", "dead-letters", "sources", "config"),
        *("users", "backup", "restore", "keys"),
        *("check", "verify", "evaluate", "doctor"),
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_the_table_says_and_says_of_itself_what_the_help_does(name):
    command = command_of(name)
    assert (command.name, command.help) == (name, COMMANDS[name].summary)


@pytest.mark.parametrize("name", ["users", "backup", "evaluate"])
def test_a_command_that_only_has_commands_names_them(rtcdp, name):
    done = rtcdp(name)
    assert done.code == 2
    assert "No such command" not in done.err
    assert "Usage: rtcdp " + name in done.out + done.err


def test_the_version_is_told(rtcdp):
    assert rtcdp("--version").out == f"rtcdp {package.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["up", "--fly"],
        ["up", "--port", "x"],
        ["up", "--port", "70000"],
        ["up", "--host", "0.0.0.0"],  # noqa: S104
        ["up", "--engine", "flink"],
        ["up", "--engine", "spark"],
        ["process", "--engine", "spark", "--log", "kafka://h:1/t", "--trigger", "soon"],
        ["verify", "--engines", "native"],
        ["up", "--log", "file:x"],
        ["ledger", "--store", "oracle:x"],
        ["replay"],
        ["dead-letters", "replay"],
        ["metrics", "absent"],
        ["metrics", "--json", "--csv"],
        ["events", "--verdict", "lost"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(rtcdp, arguments):
    done = rtcdp(*arguments)
    assert done.code == 2
    assert done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--log", "kafka://127.0.0.1:1/t"],
        ["ledger", "--store", "postgresql://127.0.0.1:1/d"],
        ["ledger", "--store", "mongodb://127.0.0.1:1/d"],
        ["ledger", "--config", "absent.toml"],
        ["replay", "absent.csv"],
        ["status"],
        ["events"],
        ["ledger"],
        ["verify"],
        ["metrics", "revenue"],
        ["metrics", "--data-dir", "absent"],
        ["dead-letters", "list"],
        ["dead-letters", "replay", "--all"],
    ],
)
def test_a_missing_part_ends_with_3(rtcdp, arguments):
    assert rtcdp(*arguments).code == 3


def test_an_error_says_what_to_do_and_shows_no_traceback(rtcdp):
    done = rtcdp("up", "--engine", "spark")
    assert done.err == (
        "rtcdp: the engine spark reads Kafka, and the log is embedded:rtcdp-data/log\n"
        "  → give --log kafka://HOST:PORT/TOPIC as well, or use --engine native\n"
    )


@pytest.mark.parametrize(
    ("words", "position", "completions"),
    [
        ("rtcdp led", 1, ["ledger"]),
        ("rtcdp replay --mapp", 2, ["--mapping"]),
        ("rtcdp dead-letters re", 2, ["replay"]),
    ],
)
def test_a_shell_completes_commands_and_options(rtcdp, monkeypatch, words, position, completions):
    monkeypatch.setenv("_RTCDP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(position))
    assert rtcdp().out.split() == completions


def test_the_completion_can_be_installed(rtcdp):
    assert "--install-completion" in rtcdp("--help").out


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), ["dead-letters", "list"]])
def test_help_fits_a_terminal_of_80_columns(rtcdp, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    lines = rtcdp(*command, "--help").out.splitlines()
    assert max(map(len, lines)) <= 80
