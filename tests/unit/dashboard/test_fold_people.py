"""A number of the retention grid or of the paths leads to as many people as it says."""

import re
from collections.abc import Callable
from html import unescape

import pytest

from rtcdp.answers.freshness import Installation
from tests.stories import event
from tests.told import DAY, START
from tests.unit.dashboard.pages.conftest import (
    MakeSite,
    Site,
    cells,
    make_site,
    make_told,
)

__all__ = ["make_site", "make_told"]

COUNT = re.compile(r'<b id="people-count">(\d+)</b>')


@pytest.fixture
def site(make_site: MakeSite, make_told: Callable[..., Installation]) -> Site:
    """Thirty come on the first day, ten of them again on the next one."""
    events = [
        event(
            START + day * DAY + step,
            user=f"u{number}",
            eventId=f"{day}-{number}-{step}",
            pageUrl=page,
        )
        for day, so_many in ((0, 30), (1, 10))
        for number in range(so_many)
        for step, page in enumerate(("/", "/<b>"))
    ]
    return make_site(make_told(events, START + 3 * DAY))


def numbers(page: str, table: str) -> list[tuple[str, int]]:
    """The addresses and numbers of a table that lead on."""
    body = page.partition(f'<table id="{table}"')[2].partition("</table>")[0]
    found = re.findall(r'<td class="figure-cell"><a href="([^"]+)">(\d+)</a></td>', body)
    return [(unescape(address), int(number)) for address, number in found]


@pytest.mark.parametrize(
    ("address", "tables", "so_many"),
    [("/retention", ("cohorts",), 3), ("/paths?last=7d", ("paths", "ends"), 4)],
)
def test_each_number_leads_to_as_many(
    site: Site, address: str, tables: tuple[str, ...], so_many: int
) -> None:
    page = site.page(address)
    found = [each for table in tables for each in numbers(page, table)]
    drawn = re.findall(r'<a href="([^"]+)"[^>]*><rect class="(?:node|shade)', page)
    assert len(found) == so_many
    assert len(drawn) > 1
    for where, number in found:
        listed = site.page(where)
        [count] = COUNT.findall(listed)
        assert int(count) == number
        behind = site.behind(listed)
        assert [each["count"] for each in behind if "count" in each and "items" in each][-1]
    for where in drawn:
        assert len(COUNT.findall(site.page(unescape(where)))) == 1


def test_a_long_list_is_gone_through_to_its_end_and_closed(site: Site) -> None:
    [(address, number), *_] = numbers(site.page("/retention"), "cohorts")
    found, page = [], site.page(address)
    while True:
        found += [row[0] for row in cells(page, "people-table")]
        further = re.search(r'<a href="([^"]+)" rel="next">', page)
        if further is None:
            break
        page = site.page(unescape(further[1]))
    assert len(set(found)) == len(found) == number == 30
    close = re.search(r'<a class="quiet" href="([^"]+)">close the list', page)
    assert close is not None
    assert "people-count" not in site.page(unescape(close[1]))
