"""One anomaly, as a page."""

import pytest

from tests.unit.dashboard.pages.conftest import Site


@pytest.fixture
def rise(watched_site: Site) -> str:
    """The address of the page of a rise of page views."""
    items = watched_site.api("/api/anomalies?from=2026-01-01")["items"]
    return f"/anomalies/{items[-1]['id']}"


def test_how_far_off_it_is_and_the_events_are_the_apis(watched_site: Site, rise: str) -> None:
    page = watched_site.page(rise)
    answer, events = watched_site.behind(page)
    assert f'<p id="says">{answer["anomaly"]["says"]}.</p>' in page
    listed = page.count('<a class="name" href="/users/')
    assert listed == min(25, len(events["items"])) == 25
    assert page.count("<circle") == 1


def test_further_events_are_on_further_pages(watched_site: Site, rise: str) -> None:
    assert 'rel="next"' in watched_site.page(rise)


def test_who_has_seen_it_is_said(watched_site: Site, rise: str) -> None:
    assert "I have seen it" in watched_site.page(rise)
    seen = watched_site.client.post(
        f"/api{rise}/acknowledgement", json={"by": "<ada>", "note": "a sale"}
    )
    assert seen.status_code == 200
    page = watched_site.page(rise)
    assert '<b id="seen-by">&lt;ada&gt;</b>' in page
    assert "a sale" in page


def test_what_is_none_is_said(watched_site: Site) -> None:
    assert "there is no anomaly" in watched_site.page("/anomalies/nonsense", 404)
