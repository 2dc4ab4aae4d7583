"""Flows as drawings."""

from itertools import pairwise

from rtcdp.dashboard.drawing.flow import FlowLink, FlowNode, flow, flow_or_lists
from tests.drawn import tree_of

COLUMNS = [[FlowNode("/", 10)], [FlowNode("/a", 6, href="/paths/x"), FlowNode("/b", 2)]]
LINKS = [FlowLink(0, 0, 0, 6), FlowLink(0, 0, 1, 2)]


def boxes(markup: str) -> list[dict[str, float]]:
    found = tree_of(markup).iter("rect")
    return [{name: float(each.get(name) or 0) for name in ("x", "y", "height")} for each in found]


def test_heights_are_amounts_at_one_scale() -> None:
    heights = [each["height"] for each in boxes(flow(COLUMNS, LINKS))]
    assert [round(each / heights[0], 2) for each in heights] == [1.0, 0.6, 0.2]


def test_nodes_of_a_column_do_not_touch() -> None:
    _, upper, lower = boxes(flow(COLUMNS, LINKS))
    assert lower["y"] > upper["y"] + upper["height"]


def test_streams_say_whence_whither_and_how_many() -> None:
    root = tree_of(flow(COLUMNS, LINKS))
    assert [each[0].text for each in root.iter("path")] == ["/ → /a: 6", "/ → /b: 2"]
    assert [each.get("href") for each in root.iter("a")] == ["/paths/x"]


def test_names_are_text() -> None:
    root = tree_of(flow([[FlowNode("</svg><script>x", 1)]], []))
    assert [each for each in root.iter() if each.tag == "script"] == []


def test_nothing_is_nothing_and_zero_can_be_seen() -> None:
    assert flow([], []) == flow([[]], []) == ""
    assert [each["height"] for each in boxes(flow([[FlowNode("/", 0)]], []))] == [1.5]


def test_many_nodes_have_room() -> None:
    drawn = boxes(flow([[FlowNode(str(at), 1) for at in range(40)]], []))
    assert all(after["y"] >= one["y"] + 16 for one, after in pairwise(drawn))


def test_a_narrow_page_has_the_same_as_lists() -> None:
    root = tree_of(flow_or_lists(COLUMNS, LINKS, "Flow", ("First", "Then")))
    lists = next(each for each in root if each.get("class") == "flow-lists")
    assert [each.text for each in lists.iter("h3")] == ["First", "Then"]
    assert [each.text for each in lists.iter("b")] == ["10", "6", "2"]
    assert [each.get("width") for each in lists.iter("rect")] == ["100%", "60%", "20%"]
    assert [each.get("href") for each in lists.iter("a")] == ["/paths/x"]
    assert flow_or_lists([[]], [], "Flow", ("First",)) == ""
