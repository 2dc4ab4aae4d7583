"""Programs that fail are told with what they said last."""

import sys

import pytest

from deploy.tools import ToolFailed, exit_code_of, run


def test_a_program_that_fails_is_told_with_its_last_words(capsys):
    code = "import sys; [print(n) for n in range(99)]; sys.exit('the end')"
    assert exit_code_of(lambda: run((sys.executable, "-c", code), 60)) == ToolFailed.exit_code
    lines = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert "ended with 1:" in lines[0]
    assert any("mend what it says" in line for line in lines)
    assert lines[-1] == "the end"
    assert "0" not in lines


def test_a_command_that_ends_by_itself_gives_its_own_exit_code():
    assert exit_code_of(lambda: sys.exit(3)) == 3
    assert exit_code_of(lambda: sys.exit("no")) == 1
    assert exit_code_of(lambda: None) == 0


def test_a_program_that_takes_too_long_is_ended():
    with pytest.raises(ToolFailed, match="longer than 0 s"):
        run((sys.executable, "-c", "import time; time.sleep(60)"), 0.2)


def test_what_a_program_says_is_returned():
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    assert run((sys.executable, "-c", code), 60) == "out\n"
    assert sorted(run((sys.executable, "-c", code), 60, merged=True).split()) == ["err", "out"]
