"""What is told live of anomalies: onsets, changes and retractions, and nothing without a cause."""

from collections.abc import Callable

import pytest

from rtcdp.answers import anomaly_changes
from rtcdp.answers.acknowledgements import Seen, acknowledge
from rtcdp.answers.anomalies import AnomaliesQuestion, Anomaly, anomalies_page
from rtcdp.answers.anomaly_changes import AnomaliesChanged, AnomaliesWatch
from rtcdp.answers.freshness import Installation
from rtcdp.testing.driver import Driver
from tests.watched import DROP, HOURS, METRICS, events_in, watched

PURCHASES = {"eventType": "PURCHASE"}
VIEWS = {"eventType": "PAGE_VIEW"}


@pytest.fixture
def driver(make_driver: Callable[..., Driver]) -> Driver:
    return watched(make_driver(*METRICS))


@pytest.fixture
def installation(driver: Driver, make_installation: Callable[..., Installation]) -> Installation:
    return make_installation(store=driver.store, metrics=METRICS, allowed_lateness_ms=60_000)


def keys(anomalies: list[Anomaly] | None) -> list[dict[str, str]]:
    return [each.key for each in anomalies or ()]


def told(change: AnomaliesChanged | None) -> list[list[dict[str, str]]]:
    assert change is not None
    return [keys(change.onset), keys(change.changed), keys(change.gone)]


def test_onset_change_and_retraction_are_told_each_once(
    installation: Installation, driver: Driver
) -> None:
    watch = AnomaliesWatch()
    assert watch.standing is None
    assert watch.look(installation) is None
    assert watch.standing is not None
    assert keys(watch.standing.standing) == [PURCHASES]

    driver.feed(*events_in(HOURS, "PAGE_VIEW", 400))
    driver.process()
    assert told(watch.look(installation)) == [[{}, VIEWS], [], []]
    driver.feed(*events_in(HOURS, "PAGE_VIEW", 10))
    driver.process()
    assert told(watch.look(installation)) == [[], [{}, VIEWS], []]

    (drop,) = [each for each in watch.standing.standing or () if each.key == PURCHASES]
    acknowledge(installation, driver.store, drop.id, Seen("ada"))
    seen = watch.look(installation)
    assert told(seen) == [[], [PURCHASES], []]
    driver.feed(*events_in(DROP, "PURCHASE", 50), intake="import")
    driver.process()
    gone = watch.look(installation)
    assert told(gone) == [[], [], [PURCHASES]]
    assert seen is not None
    assert gone is not None
    assert (seen.number, gone.number, gone.gone_count) == (3, 4, 1)
    page = anomalies_page(installation, AnomaliesQuestion(since=86_400_000))
    assert watch.standing.standing == page.items


def test_nothing_is_worked_out_while_nothing_was_committed(
    installation: Installation, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, real = [], anomaly_changes.anomalies_page
    monkeypatch.setattr(
        anomaly_changes, "anomalies_page", lambda *given: asked.append(1) or real(*given)
    )
    watch = AnomaliesWatch()
    for _ in range(3):
        assert watch.look(installation) is None
        driver.advance(seconds=60)
    assert len(asked) == 1


def test_what_becomes_too_old_is_no_news(installation: Installation, driver: Driver) -> None:
    watch = AnomaliesWatch()
    watch.look(installation)
    driver.advance(seconds=2 * 86_400)
    driver.feed({"userId": "u", "eventType": "PAGE_VIEW", "timestamp": driver.now_ms})
    driver.process()
    change = watch.look(installation)
    assert change is None or keys(change.gone) == []
    assert PURCHASES not in keys(watch.standing.standing if watch.standing else None)


def test_so_many_are_told_at_once(
    installation: Installation, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anomaly_changes, "TOLD_ANOMALIES", 1)
    watch = AnomaliesWatch()
    watch.look(installation)
    driver.feed(*events_in(HOURS, "PAGE_VIEW", 400))
    driver.process()
    change = watch.look(installation)
    assert change is not None
    assert (keys(change.onset), change.onset_count) == ([{}], 2)
