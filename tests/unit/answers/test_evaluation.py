"""What an engine has counted, held against what is known to have happened."""

from collections.abc import Callable

import pytest

from rtcdp.anomalies import Label, Labels, Touch, instant_of
from rtcdp.answers.evaluation import evaluate_anomalies
from rtcdp.answers.freshness import Installation
from rtcdp.errors import NotThere
from rtcdp.testing.driver import Driver
from tests.watched import DROP, HOUR, HOURS, METRICS, RISE, START, watched


@pytest.fixture
def installation(
    make_driver: Callable[..., Driver], make_installation: Callable[..., Installation]
) -> Installation:
    store = watched(make_driver(*METRICS)).store
    return make_installation(store=store, metrics=METRICS, allowed_lateness_ms=60_000)


def happened(*incidents: Label) -> Labels:
    end = instant_of(START + HOURS * HOUR)
    return Labels(begin=instant_of(START), end=end, incidents=incidents)


def incident(hour: int, direction: str, event_type: str) -> Label:
    begin, end = (instant_of(START + each * HOUR) for each in (hour, hour + 1))
    touches = (Touch(direction=direction, event_type=event_type),)
    return Label(cause=event_type, begin=begin, end=end, touches=touches)


def test_what_is_told_is_explained_by_what_happened(installation: Installation) -> None:
    rise, drop = incident(RISE, "up", "PAGE_VIEW"), incident(DROP, "down", "PURCHASE")
    verdict = evaluate_anomalies(installation, happened(rise, drop))
    assert [found.alarms for found in verdict.found] == [2, 1]
    assert (verdict.precision, verdict.recall, verdict.alarms) == (1.0, 1.0, 3)
    missed = evaluate_anomalies(installation, happened(incident(DROP, "down", "PAGE_VIEW")))
    assert (missed.recall, missed.precision) == (0.0, 0.0)
    assert {alarm.direction for alarm in missed.false_alarms} == {"up", "down"}


def test_any_metric_can_be_held_against_it_and_none_that_is_not_there(
    installation: Installation,
) -> None:
    rise = happened(incident(RISE, "up", "PAGE_VIEW"))
    verdict = evaluate_anomalies(installation, rise, ["sliding_hours", "hourly"])
    assert {found.metric for found in verdict.found} == {"sliding_hours"}
    assert verdict.alarms == 4
    with pytest.raises(NotThere):
        evaluate_anomalies(installation, rise, ["nothing"])
