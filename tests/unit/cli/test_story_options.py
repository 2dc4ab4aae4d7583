import pytest

from rtcdp.cli.story_options import Time, as_usage, percent
from rtcdp.errors import BadRequest, NotThere, UsageError


def test_times_are_read_as_the_api_reads_them_and_shown_in_the_zone():
    time = Time(since="2h", tz="Europe/Berlin")
    assert time.asked == {"since": 7_200_000, "start_from": None, "start_to": None}
    assert Time(start="2026-01-01", end="5").asked["start_from"] == 1_767_225_600_000
    assert time.local("2026-01-01T00:00:00.000Z") == "2026-01-01 01:00"
    assert time.local("2026-01-01T00:00:00.000Z", seconds=True) == "2026-01-01 01:00:00"
    assert time.local(None) == ""


@pytest.mark.parametrize("given", [{"since": "now"}, {"start": "x"}, {"tz": "Mars"}])
def test_what_is_no_time_is_wrong_usage(given):
    with pytest.raises(UsageError) as refused:
        Time(**given)
    assert refused.value.hint


def test_what_a_question_is_refused_for_is_wrong_usage():
    for error in (BadRequest, NotThere):
        with pytest.raises(UsageError, match="why") as refused, as_usage():
            raise error("why", "what to do")
        assert refused.value.hint == "what to do"


def test_shares():
    assert [*map(percent, (None, 0, 0.004, 0.0999, 0.5, 1))] == [
        "",
        "0 %",
        "0.4 %",
        "10 %",
        "50 %",
        "100 %",
    ]
