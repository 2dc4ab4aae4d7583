"""Looks at anomalies that go on from the one before say what a first look would say."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from rtcdp.answers import series
from rtcdp.answers.anomalies import AnomaliesQuestion, anomalies_page
from rtcdp.answers.freshness import Installation
from rtcdp.answers.judged_series import JudgedSeries
from rtcdp.answers.kept_days import KeptDays
from rtcdp.definitions import Alarms, Count, Metric, Sum, sliding, tumbling
from rtcdp.testing.driver import Driver
from tests.unit.answers.days import CountedDays
from tests.watched import HOUR, HOURLY, HOURS, RISE, events_in, watched

EAGER = Alarms(surprise=1.5, rarity=1, min_difference=1.0, min_change=0.0)
BY_TYPE = replace(HOURLY, alarms=EAGER)
SUMS = Metric("sums", "t", tumbling(hours=1), (Count("n"), Sum("total")), alarms=EAGER)
LAPPING = Metric(
    "lapping", "t", sliding(size_seconds=7_200, every_seconds=600), (Count("n"),), alarms=EAGER
)
METRICS = (BY_TYPE, SUMS, LAPPING)


@pytest.fixture
def driver(make_driver: Callable[..., Driver]) -> Driver:
    return watched(make_driver(*METRICS))


@pytest.fixture
def installation(driver: Driver, make_installation: Callable[..., Installation]) -> Installation:
    return make_installation(
        store=driver.store, metrics=METRICS, allowed_lateness_ms=60_000, days=CountedDays()
    )


def told(installation: Installation, **asked: object) -> bytes:
    return msgspec.json.encode(anomalies_page(installation, AnomaliesQuestion(**asked)))


@pytest.mark.parametrize("rows_max", [1_000_000, 150])
def test_looks_say_what_a_first_look_says(
    installation: Installation,
    driver: Driver,
    monkeypatch: pytest.MonkeyPatch,
    rows_max: int,
) -> None:
    """Whatever comes in between: new windows, late events, others of long ago, new keys; also where
    there is more than is read at once."""
    monkeypatch.setattr(series, "ROWS_MAX", rows_max)
    chance, seen = np.random.default_rng(5), set()
    for look in range(7):
        for asked in ({"since": 24 * HOUR}, {}, {"start_to": driver.now_ms - 30 * HOUR}):
            fresh = replace(installation, days=KeptDays(), judged=JudgedSeries())
            found = told(installation, **asked)
            assert found == told(fresh, **asked), (look, asked)
            seen.add(found)
        driver.advance(seconds=3_000)
        hour = HOURS + ((look + 1) * 3_000 + 400) // 3_600
        driver.feed(*events_in(hour, "PAGE_VIEW", int(chance.poisson(30))))
        if look % 3 == 0:
            driver.feed(*events_in(hour - int(chance.integers(1, 5)), "NEW", 9), intake="import")
        if look == 3:
            driver.feed(*events_in(RISE - 40, "PURCHASE", 500), intake="import")
        if look == 5:
            driver.feed(*events_in(-30 * 24, "PAGE_VIEW", 5), intake="import")
        driver.process()
    assert len(seen) > 10


def test_a_look_reads_the_days_that_have_changed(
    installation: Installation, driver: Driver
) -> None:
    days = installation.days
    assert isinstance(days, CountedDays)
    told(installation, metric="sums")
    first = days.reads
    assert first >= 6
    driver.feed(*events_in(HOURS, "PAGE_VIEW", 30))
    driver.process()
    told(installation, metric="sums")
    assert days.reads == first + 1


def test_what_is_kept_has_a_limit(installation: Installation) -> None:
    small = replace(installation, judged=JudgedSeries(bytes_max=1))
    assert told(small) == told(installation) == told(small)
