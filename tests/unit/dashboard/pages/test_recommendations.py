"""Recommendations with their reasons, as a page."""

import re
from collections.abc import Callable

from rtcdp.answers.freshness import Installation
from tests.stories import event
from tests.told import HOUR, START
from tests.unit.dashboard.pages.conftest import MakeSite, Site

LISTED = re.compile(r'<a class="name" href="/recommendations\?product=([^"]+)">')


def together() -> list[dict[str, object]]:
    """Nine people look at a kite and then a lamp, the tenth at a kite alone."""
    return [
        event(
            START + number * HOUR + at,
            "PRODUCT_VIEW",
            f"u{number}",
            eventId=f"{number}{product}",
            productId=product,
        )
        for number in range(10)
        for at, product in enumerate(("kite", "lamp") if number < 9 else ("kite",))
    ]


def test_what_is_recommended_and_why_is_the_apis(
    make_site: MakeSite, make_told: Callable[..., Installation]
) -> None:
    site = make_site(make_told(together()))
    page = site.page("/recommendations?whose=u9")
    advice, _trending = site.behind(page)[:2]
    assert LISTED.findall(page) == [each["productId"] for each in advice["items"]] == ["lamp"]
    because = advice["items"][0]["because"]
    assert f"{because['sessions']} of the newest {because['looked_at']} sessions with kite" in page


def test_products_lead_on(make_site: MakeSite, make_told: Callable[..., Installation]) -> None:
    page = make_site(make_told(together())).page("/recommendations?product=kite")
    assert "What goes with kite" in page
    assert LISTED.findall(page) == ["lamp"]


def test_nobody_and_no_fold_say_what_to_do(quiet_site: Site, bare_site: Site) -> None:
    assert "PRODUCT_VIEW" in quiet_site.page("/recommendations")
    assert "Nothing is recommended" in bare_site.page("/recommendations")
