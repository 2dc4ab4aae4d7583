"""Several series over the same times."""

from rtcdp.dashboard.drawing.lines import COLOURS, Line, kind_of, lines
from tests.drawn import tree_of

TIMES = ["1 Jan", "2 Jan", "3 Jan"]


def drawn(*values: float | None, open_from: int = 3) -> str:
    return lines("views", TIMES, [Line("ada", values, "line-0")], open_from)


def paths(markup: str) -> list[tuple[str | None, str | None]]:
    return [(each.get("class"), each.get("d")) for each in tree_of(markup).iter("path")]


def texts(markup: str) -> list[str | None]:
    return [each.text for each in tree_of(markup).iter("text")]


def test_a_line_goes_from_the_first_time_to_the_last() -> None:
    assert paths(drawn(0, 5, 10)) == [("line-0", "M0 202L500 101L1000 0")]


def test_the_axis_begins_with_zero_and_ends_with_a_round_number() -> None:
    assert texts(drawn(3, 7, 1))[:3] == ["0", "4", "8"]
    assert texts(drawn(-3, 7, 1))[:3] == ["-4", "2", "8"]
    assert texts(drawn(3, 202, 1))[:3] == ["0", "125", "250"]
    assert texts(drawn(6, 14, 3))[:3] == ["0", "10", "20"]
    assert texts(drawn(6.0, 14.5, 3.0))[:3] == ["0", "7.5", "15"]
    assert texts(drawn(0, 0, 0))[:3] == ["0", "1", "2"]


def test_times_stand_below_it() -> None:
    assert texts(drawn(1, 2, 3))[3:] == TIMES


def test_what_is_not_over_is_dashed_and_hangs_on_to_what_is() -> None:
    (_, whole), (kind, rest) = paths(drawn(10, 10, 0, open_from=2))
    assert whole == "M0 0L500 0"
    assert (kind, rest) == ("line-0 open", "M500 0L1000 202")


def test_where_nothing_is_known_there_is_a_gap_and_what_stands_alone_is_a_dash() -> None:
    assert paths(drawn(10, None, 10)) == [("line-0", "M0 0L4 0M1000 0L1004 0")]


def test_each_time_says_its_numbers() -> None:
    titles = [each.text for each in tree_of(drawn(1, None, 3)).iter("title")]
    assert titles == ["1 Jan\nada: 1", "2 Jan", "3 Jan\nada: 3"]


def test_one_time_stands_in_the_middle_and_none_is_nothing() -> None:
    assert "M500" in lines("views", ["now"], [Line("ada", [1], "line-0")], 1)
    assert lines("views", [], [], 0) == ""


def test_names_are_text() -> None:
    markup = lines("views", ["<b>"], [Line("<script>", [1], "line-0")], 1)
    assert "<script>" not in markup
    assert "<b>" not in markup


def test_lines_have_a_colour_each_and_others_theirs() -> None:
    assert len({kind_of(place) for place in range(COLOURS)}) == COLOURS
    assert kind_of(COLOURS) == kind_of(0)
    assert kind_of(0, is_other=True) == "other"
