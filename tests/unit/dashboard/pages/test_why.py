"""Why is this number what it is: the list under it is that of the API, and of the number's time."""

from collections.abc import Callable

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.catalog.catalog import load_catalog
from rtcdp.clock import ManualClock
from rtcdp.definitions import Compare, Count, Metric, Ratio, Sum, event_type, tumbling
from rtcdp.testing.driver import START_MS, Driver

HOUR = 3_600_000
CONVERSION = Metric(
    "conversion",
    "Conversion",
    tumbling(hours=1),
    (
        Count("events"),
        Count("orders", where=event_type("PURCHASE")),
        Count("large_orders", where=Compare("value", ">=", 100)),
        Count("visits", where=event_type("PAGE_VIEW")),
        Ratio("rate", of="orders", to="visits"),
        Sum("spent", "value", where=event_type("PURCHASE")),
    ),
)
COUNTING = [
    (metric, measure.name)
    for metric in (CONVERSION, *load_catalog())
    for measure in metric.measures
    if isinstance(measure, Count)
]
VIEWS = Metric(
    "views",
    "Views",
    tumbling(hours=1),
    (Count("view_count"),),
    ("userId",),
    predicate=event_type("PAGE_VIEW"),
)
OF_ADA = "metrics=views.view_count&from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z"


@pytest.fixture
def driver(make_driver: Callable[..., Driver]) -> Driver:
    """Ada's two views, one of which came again, one that came too late, and one of Bob."""
    made = make_driver(VIEWS)
    made.advance(seconds=60)
    view = {"userId": "ada", "eventType": "PAGE_VIEW", "timestamp": START_MS, "pageUrl": "/a"}
    made.feed({**view, "eventId": "1"}, {**view, "eventId": "2"}, {**view, "eventId": "1"})
    made.feed({**view, "userId": "bob", "pageUrl": "/<b>"}, {**view, "eventType": "SEARCH"})
    made.advance(seconds=24 * 3600)
    made.feed({**view, "eventId": "3"})
    made.process()
    return made


@pytest.fixture
def site(make_site, driver: Driver):  # type: ignore[no-untyped-def]
    return make_site(Installation(driver.store, (VIEWS,), ManualClock(driver.now_ms), driver.log))


def verdicts(page: str) -> list[str]:
    return [part.partition('"')[0] for part in page.split('data-verdict="')[1:]]


def test_the_number_and_its_list_are_of_the_same_events(site) -> None:  # type: ignore[no-untyped-def]
    page = site.page(f"/why?{OF_ADA}&where=userId=ada")
    assert '<b id="number">2</b>' in page
    assert verdicts(page) == ["late", "duplicate", "admitted", "admitted"]
    assert "4 events here: 2 counted, 2 not." in page
    number, events = site.behind(page)
    assert [item["views.view_count"] for item in number["items"]] == [2]
    assert [item["verdict"] for item in events["items"]] == verdicts(page)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("counted", ["admitted", "admitted"]), ("uncounted", ["late", "duplicate"])],
)
def test_either_kind_may_be_looked_at_alone(site, verdict: str, expected: list[str]) -> None:  # type: ignore[no-untyped-def]
    page = site.page(f"/why?{OF_ADA}&where=userId=ada&verdict={verdict}")
    assert verdicts(page) == expected
    _, events = site.behind(page)
    assert [item["verdict"] for item in events["items"]] == expected


def of_the_hour(metric: Metric, measure: str) -> str:
    """The address of a number of the first hour, with the events that are counted alone."""
    hour = "from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z"
    return f"/why?metrics={metric.name}.{measure}&verdict=counted&{hour}"


def test_whatever_counts_has_as_many_events_in_its_list(make_driver, make_site) -> None:  # type: ignore[no-untyped-def]
    metrics = tuple({metric.name: metric for metric, _ in COUNTING}.values())
    driver: Driver = make_driver(*metrics)
    driver.advance(seconds=60)
    base = {"userId": "ada", "timestamp": START_MS, "pageUrl": "/a", "productId": "p"}
    orders = [{**base, "eventType": "PURCHASE", "value": value} for value in (50, 100, 150)]
    carts = [{**base, "eventType": "ADD_TO_CART"} for _ in range(2)]
    driver.feed(*orders, *carts, *({**base, "eventType": "PAGE_VIEW"} for _ in range(4)))
    driver.feed({"userId": "bob", "eventType": "PURCHASE", "timestamp": START_MS, "value": 200})
    driver.process()
    told = Installation(driver.store, metrics, ManualClock(driver.now_ms), driver.log)
    site = make_site(told)
    found = {}
    for metric, measure in COUNTING:
        page = site.page(of_the_hour(metric, measure))
        number, events = site.behind(page)
        name = f"{metric.name}.{measure}"
        found[name] = number["items"][0][name]
        assert len(verdicts(page)) == len(events["items"]) == found[name], name
    of_own = {name: value for name, value in found.items() if name.startswith("conversion")}
    assert list(of_own.values()) == [10, 4, 3, 4]
    # What puts others together is of all events of its metric; what adds up, of those it adds.
    assert len(verdicts(site.page(of_the_hour(CONVERSION, "rate")))) == 10
    assert len(verdicts(site.page(of_the_hour(CONVERSION, "spent")))) == 4


def test_a_time_within_a_window_is_widened_for_both(site) -> None:  # type: ignore[no-untyped-def]
    page = site.page(
        "/why?metrics=views.view_count&from=2026-01-01T00:30:00Z&to=2026-01-01T00:31:00Z"
    )
    assert '<b id="number">3</b>' in page
    assert verdicts(page).count("admitted") == 3
    assert "/&lt;b&gt;" in page


def test_reasons_stand_beside_what_was_not_counted(site) -> None:  # type: ignore[no-untyped-def]
    page = site.page(f"/why?{OF_ADA}&verdict=uncounted")
    assert "late:" in page or "late" in page
    assert 'href="/users/ada' in page


def test_the_way_back_leads_nowhere_else(site) -> None:  # type: ignore[no-untyped-def]
    assert 'href="/explore?metrics=views"' in site.page(
        f"/why?{OF_ADA}&back=/explore%3Fmetrics%3Dviews"
    )
    for back in (
        "//evil.test",
        "https://evil.test",
        "/%5Cevil.test",
        "/%09/evil.test",
        "javascript:alert(1)",
    ):
        assert "← Back" not in site.page(f"/why?{OF_ADA}&back={back}")


def test_without_a_number_it_says_where_to_find_one(site) -> None:  # type: ignore[no-untyped-def]
    assert "No number is named" in site.page("/why")
    assert "is more than one number" in site.page("/why?metrics=views,views.view_count/views", 400)


def test_without_a_log_the_number_stands_alone(make_site, driver: Driver) -> None:  # type: ignore[no-untyped-def]
    bare = make_site(Installation(driver.store, (VIEWS,), ManualClock(driver.now_ms)))
    page = bare.page(f"/why?{OF_ADA}")
    assert '<b id="number">3</b>' in page
    assert "no log to look into" in page
