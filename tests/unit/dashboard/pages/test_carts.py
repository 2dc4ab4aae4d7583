"""What becomes of carts, as a page."""

import re
from html import unescape

from tests.unit.dashboard.pages.conftest import Site, cells

NUMBER = re.compile(r'<b data-outcome="(\w+)">(\d+)</b>')


def test_the_numbers_are_those_of_the_api(cart_site: Site) -> None:
    page = cart_site.page("/carts")
    rows, totals = cart_site.behind(page)
    told = {name: str(each["count"]) for name, each in totals["total"]["outcomes"].items()}
    assert dict(NUMBER.findall(page)) == told
    assert told == {"converted": "2", "abandoned": "2", "waiting": "1"}
    assert len(rows["items"]) == totals["total"]["count"] == 5


def test_each_number_leads_to_as_many(cart_site: Site) -> None:
    page = cart_site.page("/carts")
    addresses = re.findall(r'<h2><a href="([^"]+)#rows">', page)
    assert len(addresses) == 3
    for address, (_, number) in zip(addresses, NUMBER.findall(page), strict=True):
        listed = cart_site.page(unescape(address))
        assert len(cells(listed, "carts")) == int(number)


def test_days_are_added_up(cart_site: Site) -> None:
    page = cart_site.page("/carts")
    assert [row[1] for row in cells(page, "days")] == ["1", "1", "3"]


def test_only_those_of_one_user(cart_site: Site) -> None:
    assert len(cells(cart_site.page("/carts?whose=ada"), "carts")) == 2


def test_what_is_no_outcome_is_said(cart_site: Site) -> None:
    assert "is none of this join" in cart_site.page("/carts?outcome=lost", 400)


def test_nobody_and_no_fold_say_what_to_do(quiet_site: Site, bare_site: Site) -> None:
    assert "ADD_TO_CART" in quiet_site.page("/carts")
    assert "There is no join" in bare_site.page("/carts")
