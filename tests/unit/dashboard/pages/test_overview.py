"""The overview."""

from tests.unit.dashboard.conftest import Pages


def test_every_figure_is_a_tab_and_says_what_the_catalog_lacks(pages: Pages) -> None:
    page = pages.get("/").text
    for title in ("Active users", "Page views", "Sessions", "Revenue", "Orders", "Bounce rate"):
        assert f">{title}</span>" in page
    assert page.count('class="card tab"') == 8
    assert "there is no metric &#39;active_users&#39;" in page


def test_nothing_that_came_in_is_a_welcome(pages: Pages) -> None:
    assert 'id="welcome" aria-labelledby="welcome-title" data-live>' in pages.get("/").text


def test_filters_stand_in_the_address_and_can_be_taken_away(pages: Pages) -> None:
    page = pages.get("/?entry_page=/<b>&category=x&last=6h&chart=sessions").text
    assert "Entry page <b>/&lt;b&gt;</b>" in page
    assert 'href="/?category=x&amp;last=6h&amp;chart=sessions"' in page
    assert "/?entry_page=%2F%3Cb%3E&amp;category=x&amp;last=6h&amp;chart=orders" in page


def test_a_chart_that_there_is_none_of_is_refused(pages: Pages) -> None:
    answer = pages.get("/?chart=everything")
    assert answer.status_code == 400
    assert "everything" in answer.text
