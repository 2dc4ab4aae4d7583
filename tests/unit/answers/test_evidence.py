"""The events behind an anomaly are those that its number is counted from."""

from collections.abc import Callable

import msgspec

from rtcdp.answers import evidence
from rtcdp.answers.anomalies import AnomaliesQuestion, anomalies_page
from rtcdp.answers.evidence import events_behind
from rtcdp.answers.freshness import Installation
from rtcdp.definitions import Alarms, Count, Metric, event_type, tumbling
from rtcdp.testing.driver import Driver
from tests.watched import METRICS, RISE, events_in, watched

OF_SOME = Metric(
    name="orders_and_more",
    title="Orders, of all events",
    window=tumbling(hours=1),
    measures=(Count("orders", where=event_type("PURCHASE")), Count("event_count")),
    alarms=Alarms(min_difference=10.0),
)


def test_they_are_as_many_as_were_observed_over_all_pages(
    make_driver: Callable[..., Driver],
    make_installation: Callable[..., Installation],
    monkeypatch,
) -> None:
    driver = watched(make_driver(*METRICS, OF_SOME))
    again = {**events_in(RISE, "PAGE_VIEW", 1)[0], "eventId": "twice"}
    driver.feed(again, again, intake="import")
    driver.process()
    read = make_installation(
        store=driver.store, log=driver.log, metrics=(*METRICS, OF_SOME), allowed_lateness_ms=60_000
    )
    monkeypatch.setattr(evidence, "_PAGE", 50)
    told = anomalies_page(read, AnomaliesQuestion()).items
    of_some = [each for each in told if each.metric == OF_SOME.name]
    assert [(each.measure, each.observed) for each in of_some] == [("orders", 0)]
    assert "&measure=orders&" in of_some[0].events_url
    assert len(told) == 4
    for each in told:
        found = list(events_behind(read, each.id))
        assert len(found) == each.observed
        assert all(event.verdict == "admitted" for event in found)
    types = {msgspec.json.decode(event.event)["eventType"] for event in found}
    assert types == {"PAGE_VIEW"}
