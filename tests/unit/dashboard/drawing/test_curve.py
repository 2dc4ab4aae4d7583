"""Curves."""

import pytest

from rtcdp.dashboard.drawing.curve import Block, block, curve, top_of


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (0.13, 0.2), (3, 5), (7, 10), (23, 25), (101, 200)]
)
def test_the_upper_edge_is_a_round_number(most: float, top: float) -> None:
    assert top_of([0, most, None], []) == pytest.approx(top)


def test_a_line_goes_through_the_middles_of_its_slots() -> None:
    drawn = curve([0, 10, 5], 10, 4)
    assert drawn.line == "M125.0 100.0L375.0 0.0L625.0 50.0"
    assert drawn.area == f"{drawn.line}L625.0 100L125.0 100Z"


def test_where_nothing_is_known_there_is_a_gap() -> None:
    drawn = curve([10, 10, None, 10, 10], 10, 5)
    assert drawn.line.count("M") == 2
    assert drawn.area.count("Z") == 2


def test_a_number_alone_is_a_short_line() -> None:
    assert curve([10], 10, 1).line == "M100.0 0.0L900.0 0.0"
    assert curve([], 1, 0).line == ""


def test_an_open_piece_is_a_block() -> None:
    assert block(3, 5, 10, 4) == Block("750.0", "250.0", "50.0", "50.0")
    assert block(0, None, 10, 4).height == "0.0"
