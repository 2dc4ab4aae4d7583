"""How pages are answered."""

import pytest

from rtcdp.dashboard.shell import known_pages
from tests.unit.dashboard.conftest import Pages

PATHS = [page.paths[0] for page in known_pages()]


@pytest.mark.parametrize("path", PATHS)
def test_every_page_of_the_navigation_is_there_and_says_where_one_is(
    pages: Pages, path: str
) -> None:
    answer = pages.get(path)
    if "{" in path:
        return
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.count("<h1>") == 1
    assert answer.text.count('<main id="main"') == 1


def test_a_page_that_did_not_change_is_not_sent_again(pages: Pages) -> None:
    tag = pages.get("/docs").headers["etag"]
    assert pages.get("/docs", headers={"If-None-Match": tag}).status_code == 304
    assert pages.head("/docs").status_code == 200


def test_the_zone_stands_in_the_address_or_is_remembered(pages: Pages) -> None:
    assert "Times in UTC" in pages.get("/docs").text
    assert "Times in Asia/Kolkata" in pages.get("/docs?tz=Asia/Kolkata").text
    pages.cookies.set("rtcdp-tz", "Asia/Tokyo")
    kept = pages.get("/docs")
    assert "Times in Asia/Tokyo" in kept.text
    assert "Cookie" in kept.headers["vary"]
    assert "Times in Asia/Kolkata" in pages.get("/docs?tz=Asia/Kolkata").text


def test_what_is_chosen_is_taken_along(pages: Pages) -> None:
    assert (
        'href="/?tz=Asia%2FKolkata&amp;last=1h"' in pages.get("/docs?tz=Asia/Kolkata&last=1h").text
    )


@pytest.mark.parametrize("query", ["tz=Nowhere", "last=<b>", "tz=%FF"])
def test_what_is_wrong_is_said_on_a_page(pages: Pages, query: str) -> None:
    answer = pages.get(f"/docs?{query}")
    assert answer.status_code == 400
    assert "This can&#39;t be shown" in answer.text
    assert "<b>" not in answer.text
