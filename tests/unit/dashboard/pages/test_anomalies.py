"""What is out of the ordinary, as a list."""

import re

from tests.unit.dashboard.pages.conftest import Site, cells

SINCE = "/anomalies?from=2026-01-01&to=2026-01-08"


def test_the_list_is_the_apis(watched_site: Site) -> None:
    page = watched_site.page(SINCE)
    [answer] = watched_site.behind(page)
    told = [" · ".join([each["metric"], *each["key"].values()]) for each in answer["items"]]
    assert [row[0] for row in cells(page, "anomalies")] == told
    assert len(told) == 3


def test_each_leads_to_its_own_page(watched_site: Site) -> None:
    for address in re.findall(r'<a href="(/anomalies/[^"]+)"', watched_site.page(SINCE)):
        assert "What led up to it" in watched_site.page(address.replace("&amp;", "&"))


def test_filters_are_in_the_address(watched_site: Site) -> None:
    drops = watched_site.page(f"{SINCE}&direction=down&metric=&acknowledged=")
    assert len(cells(drops, "anomalies")) == 1
    assert "with these filters" in watched_site.page(f"{SINCE}&acknowledged=true")


def test_nothing_watched_says_what_to_do(quiet_site: Site) -> None:
    assert "Nothing is watched yet" in quiet_site.page("/anomalies")
