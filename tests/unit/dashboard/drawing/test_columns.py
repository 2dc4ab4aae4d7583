"""Amounts over time as columns."""

from rtcdp.dashboard.drawing.columns import ColumnOfTime, columns
from tests.drawn import tree_of


def test_heights_are_amounts_from_zero_on() -> None:
    root = tree_of(columns([ColumnOfTime("9:00", 10), ColumnOfTime("10:00", 5)]))
    heights = [float(each.get("height") or 0) for each in root.iter("rect")]
    assert heights == [108, 54]
    assert [
        float(each.get("y") or 0) + high
        for each, high in zip(root.iter("rect"), heights, strict=True)
    ] == [128, 128]


def test_places_are_shares_of_the_width_also_where_nothing_came() -> None:
    root = tree_of(columns([ColumnOfTime(str(at), at % 2) for at in range(4)]))
    assert [each.get("x") for each in root.iter("rect")] == ["27.5%", "77.5%"]
    assert [each.text for each in root.iter("text")] == ["1", "0", "3"]


def test_little_can_be_seen_and_nothing_is_nothing() -> None:
    root = tree_of(columns([ColumnOfTime("a", 1_000_000), ColumnOfTime("b", 1)]))
    assert [each.get("height") for each in root.iter("rect")] == ["108", "1.5"]
    assert [*tree_of(columns([ColumnOfTime("a", 0)])).iter("rect")] == []
    assert columns([]) == ""


def test_labels_are_text() -> None:
    root = tree_of(columns([ColumnOfTime("</text><script>x", 1)]))
    assert [each for each in root.iter() if each.tag == "script"] == []
