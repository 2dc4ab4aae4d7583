"""Programs that fail are told with what they said last."""

import sys

import pytest

from deploy.tools import ToolFailed, run, told_whole


def test_a_program_that_fails_is_told_with_its_last_words():
    code = "import sys; [print(n) for n in range(99)]; sys.exit('the end')"
    with pytest.raises(ToolFailed) as failed:
        run((sys.executable, "-c", code), 60)
    short, rest = told_whole(failed.value)
    assert str(short).endswith("ended with 1:")
    assert short.hint == failed.value.hint
    assert rest[-1].strip() == "the end"
    assert "0" not in [line.strip() for line in rest]


def test_a_program_that_takes_too_long_is_ended():
    with pytest.raises(ToolFailed, match="longer than 0 s"):
        run((sys.executable, "-c", "import time; time.sleep(60)"), 0.2)


def test_what_a_program_says_is_returned():
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    assert run((sys.executable, "-c", code), 60) == "out\n"
    assert sorted(run((sys.executable, "-c", code), 60, merged=True).split()) == ["err", "out"]
