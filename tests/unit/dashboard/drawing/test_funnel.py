"""Funnels as drawings."""

from xml.etree.ElementTree import Element

from rtcdp.dashboard.drawing.funnel import FunnelBar, funnel
from tests.drawn import tree_of

BARS = [
    FunnelBar("view", 200, 150, "/shop?step=1", "/shop?step=1&outcome=dropped"),
    FunnelBar("cart", 50, 30, "/shop?step=2", "/shop?step=2&outcome=dropped", 65_000),
    FunnelBar("buy", 20, 0, "/shop?step=3", "/shop?step=3&outcome=dropped", 5_000),
]


def drawn(*bars: FunnelBar) -> Element:
    return tree_of(funnel(bars))


def widths(root: Element, kind: str) -> list[str | None]:
    return [each.get("width") for each in root.iter("rect") if each.get("class") == kind]


def test_lengths_are_shares_of_the_first_step() -> None:
    root = drawn(*BARS)
    assert widths(root, "reached") == ["100%", "25%", "10%"]
    assert widths(root, "lost") == ["75%", "15%"]


def test_who_reached_a_step_and_who_got_lost_before_it_are_behind_its_parts() -> None:
    addresses = [each.get("href") for each in drawn(*BARS).iter("a")]
    assert addresses == [
        "/shop?step=1",
        "/shop?step=1&outcome=dropped",
        "/shop?step=2",
        "/shop?step=2&outcome=dropped",
        "/shop?step=3",
    ]


def test_numbers_stand_beside_the_bars() -> None:
    texts = [each.text for each in drawn(*BARS).iter("text")]
    assert texts == [
        *("1  view", "200 · 100 %"),
        *("2  cart", "50 · 25.0 %", "↓ 25.0 % went on, median 1 min 5 s · 150 did not"),
        *("3  buy", "20 · 10.0 %", "↓ 40.0 % went on, median 5.0 s · 30 did not"),
    ]


def test_nobody_draws_no_bar() -> None:
    root = drawn(FunnelBar("view", 0, 0), FunnelBar("cart", 0, 0))
    assert widths(root, "reached") == widths(root, "lost") == []
    assert "nobody came here" in [each.text for each in root.iter("text")]


def test_what_is_not_nothing_can_be_seen() -> None:
    root = drawn(FunnelBar("view", 1_000_000, 999_999), FunnelBar("cart", 1, 1))
    assert widths(root, "reached") == ["100%", "0.4%"]


def test_one_step_is_a_funnel_and_none_is_nothing() -> None:
    assert widths(drawn(FunnelBar("view", 7, 7)), "reached") == ["100%"]
    assert funnel([]) == ""


def test_names_are_text() -> None:
    name = "<script>alert(1)</script>" + "x" * 50
    root = drawn(FunnelBar(name, 1, 0))
    assert [each for each in root.iter() if each.tag == "script"] == []
    assert next(root.iter("text")).text == f"1  {name[:39]}…"
