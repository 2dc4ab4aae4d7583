"""The pipeline, as a page."""

import re
from collections.abc import Callable
from html import unescape

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.answers.ledger import LedgerTotals
from rtcdp.answers.ledger_sums import LedgerSums, SourceSums
from rtcdp.api.pulse import PulseFigures
from rtcdp.dashboard.address import PageAddress
from rtcdp.dashboard.pages.pipeline import flow_of, parts_shown
from rtcdp.log.contract import Delivery, erased_mark
from rtcdp.testing.driver import Driver
from tests.drawn import tree_of
from tests.unit.dashboard.pages.conftest import MakeSite, Site, cells


@pytest.fixture
def busy_site(
    driver: Driver, make_site: MakeSite, make_installation: Callable[..., Installation]
) -> Site:
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
    numbers = [*map(int, re.findall(r"<b>(?:<a [^>]+>)?(\d+)<", found[1]))]
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
    letters = busy_site.behind(page)[-1]["items"]
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
    assert len(cells(page, "uncounted")) == count == len(busy_site.behind(page)[-1]["items"])


def test_only_those_with_a_reason(busy_site: Site) -> None:
    page = busy_site.page("/pipeline?reason=not_json")
    assert "None in this time" in page
    assert "did you mean not_json?" in busy_site.page("/pipeline?reason=not_jsn", 400)


def test_each_part_says_how_it_is(busy_site: Site) -> None:
    page = busy_site.page("/pipeline")
    rows = {row[0]: row[1:] for row in cells(page, "parts-table")}
    assert [*rows] == ["collector", "log", "processor", "store", "API", "lag"]
    assert [rows[part][0] for part in ("log", "store", "API", "lag")] == ["well"] * 4
    assert rows["collector"] == ["elsewhere", "takes events in", ""]
    assert "not well" not in page


def test_a_part_says_how_much_goes_through_it_or_what_is_wrong() -> None:
    pulse = PulseFigures(7, 60.0, 2.5, 1.0, 0.5, 1)
    shown = parts_shown({"collector": "full", "disk": "ok"}, pulse)
    assert [(part.name, part.amount, part.is_well) for part in shown] == [
        ("collector", "2.5 events/s", False),
        ("log", "1 record waiting", None),
        ("processor", "1 event/s", None),
        ("store", "0.5 commits/s", None),
        ("API", "", True),
        ("disk", "", True),
    ]


def listed(site: Site, address: str) -> int:
    """How many rows the list has that an address leads to."""
    body = re.search(
        r'<table id="(?:events|uncounted)".*?</table>',
        site.page(unescape(address)),
        re.DOTALL,
    )
    return 0 if body is None else body[0].count("<tr") - 1


def test_a_number_leads_to_as_many_in_the_same_time_and_zone(busy_site: Site) -> None:
    page = busy_site.page("/pipeline?last=1h&tz=Asia/Kolkata")
    ends = re.findall(r'<a href="([^"]+)"[^>]*><rect class="node (\w+)"', page)
    # Events that count are listed by when they happened, which is another time.
    assert [verdict for _, verdict in ends] == ["duplicate", "late", "dead_letter"]
    assert all("last=1h" in address and "tz=Asia%2FKolkata" in address for address, _ in ends)
    assert [listed(busy_site, address) for address, _ in ends] == [1, 1, 2]
    tabs = re.findall(r'<a href="([^"]+records=[^"]+)"[^>]*>[A-Z][a-z ]+ (\d+)</a>', page)
    sums = re.findall(r'<b><a href="([^"]+)">(\d+)</a></b>', page)
    assert (len(tabs), len(sums)) == (3, 4)
    for address, number in [*tabs, *sums]:
        assert listed(busy_site, address) == int(number)


def test_every_address_leads_somewhere_also_after_an_erasure(
    driver: Driver, make_site: MakeSite, make_installation: Callable[..., Installation]
) -> None:
    driver.feed({"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms}, b"{}")
    gone = Delivery(b"", 0, driver.now_ms, rejects=((0, b""),), replay_of=erased_mark())
    driver.log.append([gone])
    driver.process()
    site = make_site(make_installation())
    page = site.page("/pipeline")
    assert "<b>1</b> erased" in page
    addresses = set(re.findall(r'href="(/(?:pipeline|events|api/)[^"#]*)', page))
    assert len(addresses) > 20
    for address in addresses:
        assert site.client.get(unescape(address)).status_code == 200, address
    assert site.client.get("/events?verdict=erased").status_code == 200
    assert [each["verdict"] for each in site.api("/api/events?verdict=erased")["items"]] == [
        "erased"
    ]


def test_a_time_has_all_of_its_first_minute_as_the_ledger_does(busy_site: Site) -> None:
    page = busy_site.page("/pipeline?from=2026-01-01T00:00:00.001Z&to=2026-01-01T00:00:00.002Z")
    assert len(cells(page, "uncounted")) == 2


def test_a_dead_letter_can_be_mended_and_what_came_late_can_not(busy_site: Site) -> None:
    page = busy_site.page("/pipeline")
    assert re.findall(r'data-mend="([^"]+)"', page) == [
        "/api/dead-letters/0/4/replay",
        "/api/dead-letters/0/3/replay",
    ]
    assert "data-mend" not in busy_site.page("/pipeline?records=late")


def test_a_cut_sum_is_said(busy_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtcdp.answers.ledger_sums._SLICE", 1)
    monkeypatch.setattr("rtcdp.answers.ledger_sums.ROWS_MAX", 1)
    assert "more minutes than are added up here" in busy_site.page("/pipeline")


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
        totals=LedgerTotals(**totals, conflict=0, erased=0),
        sources=[SourceSums(**totals, conflict=0, erased=0, source=f"s{at}") for at in range(9)],
        stretches=[],
        stretch_ms=60_000,
        watermark=None,
        epoch=1,
        committed_at=None,
        engine="native",
        as_of=None,
        lag_ms=0,
    )
    titles = [
        each[0].text
        for each in tree_of(flow_of(sums, PageAddress("/pipeline"))).iter("rect")
        if len(each)
    ]
    assert titles[-2:] == ["other sources: 6, 33.3 %", "Admitted: 18, 100 %"]
