"""Who has seen an anomaly is remembered, whatever becomes of its number."""

from collections.abc import Callable

import pytest

from rtcdp.answers import acknowledgements
from rtcdp.answers.acknowledgements import Seen, acknowledge, withdraw
from rtcdp.answers.anomalies import AnomaliesQuestion, anomalies_page, anomaly_page
from rtcdp.answers.freshness import Installation
from rtcdp.errors import BadRequest, NotThere
from rtcdp.testing.driver import Driver
from tests.watched import DROP, METRICS, events_in, watched

MakeDriver = Callable[..., Driver]


@pytest.fixture
def driver(make_driver: MakeDriver) -> Driver:
    return watched(make_driver(*METRICS))


@pytest.fixture
def installation(driver: Driver, make_installation: Callable[..., Installation]) -> Installation:
    return make_installation(store=driver.store, metrics=METRICS, allowed_lateness_ms=60_000)


def which(installation: Installation, **asked: object) -> list[dict[str, str]]:
    page = anomalies_page(installation, AnomaliesQuestion(**asked))
    return [each.key for each in page.items]


def test_what_somebody_has_seen_stays_seen_whatever_is_computed_again(
    installation: Installation, driver: Driver
) -> None:
    drop, rise, _ = anomalies_page(installation, AnomaliesQuestion()).items
    for by, note in (("ada", ""), ("bob", "a deploy\nthat went wrong")):
        page = acknowledge(installation, driver.store, drop.id, Seen(by, note))
    assert page.anomaly.acknowledged is not None
    assert (page.anomaly.acknowledged.by, page.anomaly.acknowledged.note) == (
        "bob",
        "a deploy\nthat went wrong",
    )
    assert anomaly_page(installation, drop.id).anomaly == page.anomaly
    assert which(installation, acknowledged="true") == [{"eventType": "PURCHASE"}]
    assert which(installation, acknowledged="false") == [{}, {"eventType": "PAGE_VIEW"}]
    driver.feed(*events_in(DROP, "PURCHASE", 2), intake="import")
    driver.process()
    again = anomalies_page(installation, AnomaliesQuestion(acknowledged="true")).items
    assert [(each.observed, each.acknowledged) for each in again] == [
        (2, page.anomaly.acknowledged)
    ]
    with pytest.raises(NotThere, match="nobody has acknowledged"):
        withdraw(driver.store, rise.id)
    withdraw(driver.store, drop.id)
    assert which(installation, acknowledged="true") == []


def test_only_what_is_told_can_be_seen_and_only_so_much_of_it(
    installation: Installation, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop, rise, _ = anomalies_page(installation, AnomaliesQuestion()).items
    for by, note in (("", ""), ("  ", ""), ("a\0", ""), ("a", "\x1b[31m"), ("a" * 101, "")):
        with pytest.raises(BadRequest):
            acknowledge(installation, driver.store, drop.id, Seen(by, note))
    with pytest.raises(NotThere, match="there is no anomaly"):
        acknowledge(installation, driver.store, "abc", Seen("ada"))
    monkeypatch.setattr(acknowledgements, "ACKNOWLEDGED_MAX", 1)
    acknowledge(installation, driver.store, drop.id, Seen("ada"))
    acknowledge(installation, driver.store, drop.id, Seen("eve"))
    with pytest.raises(BadRequest, match="the limit"):
        acknowledge(installation, driver.store, rise.id, Seen("ada"))
    driver.feed(*events_in(DROP, "PURCHASE", 50), intake="import")
    driver.process()
    with pytest.raises(NotThere, match="nothing is out of the ordinary there"):
        acknowledge(installation, driver.store, drop.id, Seen("ada"))
