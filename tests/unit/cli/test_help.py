import pytest

from rtcdp.cli.app import COMMANDS


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), ["dead-letters", "list"]])
def test_the_help_says_in_our_words_what_options_take(rtcdp, command):
    text = rtcdp(*command, "--help").out
    foreign = ("<bool>", "<int", "<float", "Path", "<str", "x>", "<x")
    assert not [word for word in foreign if word in text]


def test_completion_is_explained_once(rtcdp):
    assert "--install-completion" not in rtcdp("dead-letters", "--help").out


def test_switches_and_choices_are_plain(rtcdp):
    text = rtcdp("up", "--help").out
    assert "native|spark" in text
    (line,) = [line for line in text.splitlines() if "--trust-network" in line]
    assert line.split()[1:4] == ["--trust-network", "Listen", "where"]
