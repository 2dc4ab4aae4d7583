"""The pipeline, as a page."""

import re

import pytest

from rtcdp.answers.ledger import LedgerTotals
from rtcdp.answers.ledger_sums import LedgerSums, SourceSums
from rtcdp.dashboard.pages.pipeline import flow_of
from rtcdp.testing.driver import Driver
from tests.drawn import tree_of
from tests.unit.dashboard.pages.conftest import MakeSite, Site, cells


@pytest.fixture
def busy_site(driver: Driver, make_site: MakeSite, make_installation) -> Site:
    """An event that counts, its copy, one too late, and two that are none."""
    event = {"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms, "eventId": "1"}
    driver.feed(event, event, {**event, "eventId": "2", "timestamp": driver.now_ms - 3_600_000})
    driver.feed({"userId": "<b>eve</b>"}, {"eventType": "SEARCH"}, source="app")
    driver.process()
    return make_site(make_installation())


def test_the_ledger_is_an_equation(busy_site: Site) -> None:
    page = busy_site.page("/pipeline")
    found = re.search(r'id="equation">(.*?)</p>', page, re.DOTALL)
    assert found is not None
    numbers = [*map(int, re.findall(r"<b>(\d+)</b>", found[1]))]
    totals = busy_site.behind(page)[0]["totals"]
    names = ("received", "admitted", "duplicate", "late", "dead_letter")
    assert numbers == [totals[name] for name in names] == [5, 1, 1, 1, 2]
    assert "every one accounted for" in page


def test_sources_and_what_became_of_theirs(busy_site: Site) -> None:
    page = busy_site.page("/pipeline")
    assert cells(page, "sources") == [
        ["default", "3", "1", "1", "1", "0"],
        ["app", "2", "0", "0", "0", "2"],
    ]


def test_dead_letters_are_told_with_what_to_do(busy_site: Site) -> None:
    page = busy_site.page("/pipeline")
    letters = busy_site.behind(page)[1]["items"]
    rows = cells(page, "uncounted")
    assert len(rows) == len(letters) == 2
    for row, letter in zip(rows, letters, strict=True):
        assert letter["reason"] in row[1]
        assert letter["message"] in row[2]
        assert f"rtcdp dead-letters replay --reason {letter['reason']}" in row[2]
    assert "<b>eve</b>" not in page
    assert "&lt;b&gt;eve&lt;/b&gt;" in page


@pytest.mark.parametrize(("records", "count"), [("late", 1), ("duplicates", 1)])
def test_what_came_late_or_again_has_its_own_list(
    busy_site: Site, records: str, count: int
) -> None:
    page = busy_site.page(f"/pipeline?records={records}")
    assert len(cells(page, "uncounted")) == count == len(busy_site.behind(page)[1]["items"])


def test_only_those_with_a_reason(busy_site: Site) -> None:
    page = busy_site.page("/pipeline?reason=not_json")
    assert "None in this time" in page
    assert "did you mean not_json?" in busy_site.page("/pipeline?reason=not_jsn", 400)


def test_each_part_says_how_it_is(busy_site: Site) -> None:
    page = busy_site.page("/pipeline")
    for part in ("store", "log", "lag"):
        assert f"<b>{part}</b>" in page
    assert "not well" not in page


def test_nothing_says_what_to_do(quiet_site: Site) -> None:
    page = quiet_site.page("/pipeline")
    assert "Nothing came in this time" in page
    assert "curl -X POST" in page


def test_a_time_of_ages_is_drawn_as_its_last_years(busy_site: Site) -> None:
    page = busy_site.page("/pipeline?from=0002-01-01&to=2026-01-02")
    assert 'aria-label="5 in 400 stretches of time, 5 in one at most"' in page


def test_many_sources_stand_together() -> None:
    totals = {"received": 2, "admitted": 2, "duplicate": 0, "late": 0, "dead_letter": 0}
    sums = LedgerSums(
        totals=LedgerTotals(**totals, conflict=0),
        sources=[SourceSums(**totals, conflict=0, source=f"s{at}") for at in range(9)],
        stretches=[],
        stretch_ms=60_000,
        watermark=None,
        epoch=1,
        committed_at=None,
        engine="native",
        as_of=None,
        lag_ms=0,
    )
    titles = [each[0].text for each in tree_of(flow_of(sums)).iter("rect") if len(each)]
    assert titles[-2:] == ["other sources: 6, 33.3 %", "Admitted: 18, 100.0 %"]
