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


def test_the_form_for_the_time_keeps_what_was_chosen_and_says_instants(pages: Pages) -> None:
    chosen = "from=2025-03-30T00:00&to=&last=&tz=Europe/Berlin&cursor=x&whose=%3Cada%3E"
    text = pages.get(f"/sessions?{chosen.replace('&cursor=x', '')}").text
    assert 'name="from" step="any" required value="2025-03-30T00:00"' in text
    assert 'name="to" step="any" value=""' in text
    assert '<input type="hidden" name="whose" value="&lt;ada&gt;">' in text
    # Written so that another zone does not move it.
    assert "from=2025-03-29T23%3A00%3A00.000Z" in text
    assert "from=2025-03-30T00" not in text
    assert "from-to" not in pages.get("/docs").text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("from=yesterday", "from=&#39;yesterday&#39; is not a time"),
        ("from=2026-02-30T10:00", "send a time of UTC like from=2026-01-31T09:30"),
        ("from=2026-02-03T10:00&to=2026-02-03T09:00", "choose a From that is earlier than To"),
        ("from=2026-02-03&last=1h", "both say where to begin"),
    ],
)
def test_a_time_that_is_none_can_be_mended_where_it_is_refused(
    pages: Pages, query: str, says: str
) -> None:
    answer = pages.get(f"/sessions?{query}&state=open")
    assert answer.status_code == 400
    assert says in answer.text
    begin = query.partition("=")[2].partition("&")[0]
    assert f'required value="{begin}' in answer.text
    assert '<input type="hidden" name="state" value="open">' in answer.text
    assert 'href="/explore"' in answer.text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "time",
    [
        "from=0002-01-01",
        "to=0002-01-03",
        "to=9998-12-30",
        "from=0002-01-02&to=9998-12-30",
        "last=999999w",
        "to=0002-02-01T00:00&last=3000d",
        "from=0002-01-01T00:00&to=0003-06-01T00:00",
    ],
)
def test_no_time_is_too_far_away_to_be_answered(pages: Pages, path: str, time: str) -> None:
    answer = pages.get(f"{path}?{time}&tz=Asia/Kolkata")
    assert answer.status_code < 500, answer.text
