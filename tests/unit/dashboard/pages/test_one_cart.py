"""One cart and the two events behind its outcome, as a page."""

import re
from html import unescape

from tests.unit.dashboard.pages.conftest import Site, cells


def test_each_cart_leads_to_its_event_and_to_its_purchase(cart_site: Site) -> None:
    page = cart_site.page("/carts?last=7d")
    rows = cells(page, "carts")
    links = re.findall(r'<td[^>]*><a href="(/carts/cart_outcomes/[^"]+)"><time', page)
    assert len(links) == len(rows) == 5
    for row, link in zip(rows, links, strict=True):
        one = cart_site.page(unescape(link))
        types = re.findall(r'<li data-type="([^"]+)"', one)
        expected = ["ADD_TO_CART", "PURCHASE"] if row[4] == "converted" else ["ADD_TO_CART"]
        assert types == expected
        [answer] = cart_site.behind(one)
        assert (answer["right"] is not None) == (row[4] == "converted")
        assert "/carts/cart_outcomes?last=7d" in one


def test_one_that_is_not_there_says_so(cart_site: Site) -> None:
    assert "is no id of a row" in cart_site.page("/carts/cart_outcomes/nothing", 404)
    assert "there is no row" in cart_site.page("/carts/cart_outcomes/1~0~kite~ada", 404)
