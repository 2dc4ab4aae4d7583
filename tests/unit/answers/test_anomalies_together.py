"""Metrics that an engine has counted, held against each other."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rtcdp.answers.anomalies_together import TogetherQuestion, together_page
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import iso_ms
from rtcdp.definitions import Count, Metric, event_type, tumbling
from rtcdp.errors import BadRequest, NotThere
from rtcdp.testing.driver import Driver
from tests.watched import AVERAGES, DAILY, HOUR, HOURLY, START, events_in

BOUGHT_OR_SEEN = replace(HOURLY, predicate=event_type("PURCHASE", "PAGE_VIEW"))
SEARCHES = Metric(
    name="searches",
    title="Searches",
    predicate=event_type("SEARCH"),
    window=tumbling(hours=1),
    measures=(Count("search_count"),),
)
METRICS = (BOUGHT_OR_SEEN, SEARCHES, DAILY, AVERAGES)
HOURS, BROKEN = 24 * 24, 21 * 24 + 5


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """A shop that many or few come to, of whom every other one buys; but in one hour few of many
    do."""
    driver = Driver(METRICS, tmp_path_factory.mktemp("together"))
    driver.advance(seconds=(START + HOURS * HOUR + 410_000 - driver.now_ms) / 1000)
    chance = np.random.default_rng(6)
    events = []
    for hour in range(HOURS):
        crowd = 80 * np.exp(chance.normal(0, 0.3))
        views, purchases = int(chance.poisson(crowd)), int(chance.poisson(crowd / 2))
        if hour == BROKEN:
            views, purchases = 160, 10
        events += events_in(hour, "PAGE_VIEW", views) + events_in(hour, "PURCHASE", purchases)
        events += events_in(hour, "SEARCH", int(chance.poisson(20)))
    driver.feed(*events, intake="import")
    driver.feed(*events_in(HOURS, "PAGE_VIEW", 3))
    driver.process()
    return driver


@pytest.fixture
def installation(driver: Driver, make_installation: Callable[..., Installation]) -> Installation:
    return make_installation(store=driver.store, metrics=METRICS, allowed_lateness_ms=60_000)


def test_keys_that_do_not_go_together_are_told_with_what_the_others_say(
    installation: Installation,
) -> None:
    page = together_page(installation, TogetherQuestion(metrics=("hourly",)))
    assert (page.series, page.learned_from) == (2, iso_ms(START))
    (told,) = page.items
    assert told.window_start == iso_ms(START + BROKEN * HOUR)
    assert told.window_end == iso_ms(START + (BROKEN + 1) * HOUR)
    of_type = {part.key["eventType"]: part for part in told.parts}
    assert of_type["PAGE_VIEW"].apart > 5 > 0 > -5 > of_type["PURCHASE"].apart
    assert (of_type["PURCHASE"].observed, of_type["PAGE_VIEW"].observed) == (10, 160)
    # Of so many, several times as many buy; so few buy of far fewer.
    assert 45 < of_type["PURCHASE"].likely < 90
    assert 5 < of_type["PAGE_VIEW"].likely < 60
    assert abs(told.parts[0].apart) >= abs(told.parts[1].apart)
    assert told.says.startswith(f"{told.parts[0].observed:g} where the others make")


def test_several_metrics_are_held_against_each_other(installation: Installation) -> None:
    page = together_page(installation, TogetherQuestion(metrics=("hourly", "searches")))
    (told,) = page.items
    assert page.series == 3
    assert [part.metric for part in told.parts] == ["hourly", "hourly", "searches"]
    assert abs(told.parts[2].apart) < 3


def test_only_the_time_that_was_asked_for_is_told(installation: Installation) -> None:
    hour = START + BROKEN * HOUR
    for asked, count in (
        ({"start_from": hour}, 1),
        ({"start_from": hour + 1}, 0),
        ({"start_from": START, "start_to": hour + 1}, 1),
        ({"start_from": START, "start_to": hour}, 0),
        ({"limit": 0}, 0),
    ):
        question = TogetherQuestion(metrics=("hourly",), **asked)
        assert len(together_page(installation, question).items) == count, asked


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("searches",), "one series alone has nothing to go with"),
        (("hourly", "daily"), "windows of different lengths"),
        (("hourly", "averages"), "nothing that adds up"),
    ],
)
def test_what_can_not_be_held_against_each_other_is_refused(
    installation: Installation, names: tuple[str, ...], said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        together_page(installation, TogetherQuestion(metrics=names))
    with pytest.raises(NotThere):
        together_page(installation, TogetherQuestion(metrics=("hourly", "nobody_knows")))
