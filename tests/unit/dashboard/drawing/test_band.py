"""Series within the band that they were expected in."""

import re

from rtcdp.dashboard.drawing.band import BandPoint, band
from tests.drawn import tree_of

POINTS = [
    BandPoint("09:00", 4.0),
    BandPoint("10:00", 5.0, 4.0, 2.0, 6.0),
    BandPoint("11:00", 20.0, 5.0, 3.0, 8.0),
]


def path(markup: str, kind: str) -> list[str]:
    root = tree_of(markup)
    return [each.get("d") or "" for each in root.iter("path") if each.get("class") == kind]


def corners(drawn: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.-]+) ([\d.-]+)", drawn)]


def test_the_largest_is_on_top_and_nothing_at_the_bottom() -> None:
    [line] = path(band(POINTS), "observed")
    assert corners(line) == [(0.0, 132.8), (500.0, 124.5), (1000.0, 0.0)]


def test_the_band_is_where_something_was_expected() -> None:
    [area] = path(band(POINTS), "usual")
    assert [x for x, _ in corners(area)] == [500.0, 1000.0, 1000.0, 500.0]
    [line] = path(band(POINTS), "expected")
    assert len(corners(line)) == 2


def test_a_band_with_a_hole_has_two_areas() -> None:
    hole = [POINTS[1], POINTS[0], POINTS[2]]
    assert len(path(band(hole), "usual")) == 2


def test_what_it_is_about_is_marked_and_said() -> None:
    root = tree_of(band(POINTS, marked=2))
    [mark] = root.iter("circle")
    assert (mark.get("cx"), mark.get("cy"), mark[0].text) == ("100%", "20", "11:00: 20")
    assert root.get("aria-label") == "20 where 5 is usual, after 2 windows before it"


def test_one_point_stands_in_the_middle_and_none_is_nothing() -> None:
    [line] = path(band(POINTS[:1]), "observed")
    assert corners(line)[0][0] == 500.0
    assert band([]) == ""


def test_all_zero_and_below_zero_have_a_scale() -> None:
    [flat] = path(band([BandPoint("a", 0.0), BandPoint("b", 0.0)]), "observed")
    assert {y for _, y in corners(flat)} == {166.0}
    [below] = path(band([BandPoint("a", -5.0), BandPoint("b", 5.0)]), "observed")
    assert [y for _, y in corners(below)] == [166.0, 0.0]


def test_labels_are_text() -> None:
    root = tree_of(band([BandPoint("</text><script>x", 1.0)], marked=0))
    assert [each for each in root.iter() if each.tag == "script"] == []
