"""Elements of SVG."""

import pytest
from markupsafe import Markup

from rtcdp.dashboard.drawing.svg import element, link, number, percentage, shortened, together
from tests.drawn import tree_of

HOSTILE = "</text><script>alert(1)</script>\"'&"


def test_a_text_stays_the_text_that_it_is() -> None:
    drawn = element("text", HOSTILE, class_=HOSTILE)
    found = tree_of(drawn)
    assert (found.text, found.get("class"), len(found)) == (HOSTILE, HOSTILE, 0)


def test_markup_inside_is_kept() -> None:
    assert element("g", element("rect", rx=2), "&") == Markup('<g><rect rx="2"/>&amp;</g>')


def test_names_of_attributes_are_those_of_svg() -> None:
    assert element("text", "x", text_anchor="end", href=None) == '<text text-anchor="end">x</text>'


def test_a_link_leads_to_this_server_or_is_none() -> None:
    assert link("/users/a", "x", label="Ada") == '<a href="/users/a" aria-label="Ada">x</a>'
    assert link(None, "x") == "<g>x</g>"
    for elsewhere in ("//evil.test", "https://evil.test", "javascript:alert(1)"):
        with pytest.raises(ValueError, match="leads away"):
            link(elsewhere, "x")


def test_numbers_are_short() -> None:
    assert [number(each) for each in (0, 12.0, 1 / 3, -0.001, 100, -2.5)] == [
        *("0", "12", "0.33", "0", "100", "-2.5")
    ]
    assert percentage(0.25) == "25%"


def test_a_long_text_says_that_some_is_missing() -> None:
    assert (shortened("abc", 3), shortened("abcd", 3)) == ("abc", "ab…")


def test_parts_together_are_escaped_one_by_one() -> None:
    assert together("<", Markup("<g/>")) == "&lt;<g/>"
