"""How well alarms tell labelled incidents: which are right, and how soon the first one is."""

from datetime import timedelta

import msgspec
import pytest

from rtcdp.anomalies import (
    Alarm,
    Label,
    Labels,
    Touch,
    instant_of,
    judge_alarms,
    ms_of,
    read_labels,
    write_labels,
)
from rtcdp.definitions import Count, Metric, event_type, tumbling
from rtcdp.errors import UsageError

MINUTE = 60_000
BEGIN = 1_767_225_600_000
BY_PRODUCT = Metric(
    name="carts",
    title="Carts",
    key=("productId",),
    predicate=event_type("ADD_TO_CART"),
    window=tumbling(minutes=5),
    measures=(Count("n"),),
)
PURCHASES = Metric(
    name="purchases",
    title="Purchases",
    predicate=event_type("PURCHASE"),
    window=tumbling(minutes=5),
    measures=(Count("n"),),
)
OUTAGE = Label(
    cause="outage",
    begin=instant_of(BEGIN + 3 * MINUTE),
    end=instant_of(BEGIN + 13 * MINUTE),
    touches=(Touch(direction="down", event_type="PURCHASE"),),
)
TREND = Label(
    cause="trend",
    begin=instant_of(BEGIN),
    end=instant_of(BEGIN + 60 * MINUTE),
    touches=(Touch(direction="up", event_type="ADD_TO_CART", product_id="p1"),),
)
LABELS = Labels(
    begin=instant_of(BEGIN),
    end=instant_of(BEGIN + 600 * MINUTE),
    incidents=(TREND, OUTAGE, msgspec.structs.replace(OUTAGE, cause="nightly", recurs=True)),
)


def alarm(metric: Metric, minute: int, direction: str, **key: str) -> Alarm:
    start = BEGIN + minute * MINUTE
    return Alarm(metric, key, start, start + 5 * MINUTE, direction)


def test_the_first_right_alarm_finds_an_incident() -> None:
    alarms = [alarm(PURCHASES, 10, "down"), alarm(PURCHASES, 5, "down")]
    verdict = judge_alarms(LABELS, alarms)
    trend, outage = verdict.found
    assert (outage.alarms, outage.first_window, outage.metric) == (2, 2, "purchases")
    assert (trend.alarms, trend.first_window) == (0, None)
    assert (verdict.precision, verdict.recall) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("told", "is_right"),
    [
        (alarm(BY_PRODUCT, 55, "up", productId="p1"), True),
        (alarm(BY_PRODUCT, 0, "up"), True),
        (alarm(BY_PRODUCT, 60, "up", productId="p1"), True),
        (alarm(BY_PRODUCT, 65, "up", productId="p1"), False),
        (alarm(BY_PRODUCT, 55, "up", productId="p2"), False),
        (alarm(BY_PRODUCT, 55, "down", productId="p1"), False),
        (alarm(PURCHASES, 0, "down"), True),
        (alarm(PURCHASES, 0, "up"), False),
        (alarm(PURCHASES, -5, "down"), False),
    ],
)
def test_an_alarm_is_right_at_the_time_on_the_side_and_of_what_was_touched(
    told: Alarm, is_right: bool
) -> None:
    verdict = judge_alarms(LABELS, [told])
    assert verdict.precision == (1.0 if is_right else 0.0)
    assert verdict.false_alarms == (() if is_right else (told,))


def test_what_recurs_is_neither_missed_nor_wrong() -> None:
    nightly = msgspec.structs.replace(LABELS, incidents=LABELS.incidents[2:])
    for alarms in ([], [alarm(PURCHASES, 5, "down")]):
        verdict = judge_alarms(nightly, alarms)
        assert (verdict.precision, verdict.recall, verdict.alarms) == (None, None, 0)


def test_labels_are_read_as_they_were_written() -> None:
    assert read_labels(write_labels(LABELS)) == LABELS
    assert ms_of(LABELS.end - timedelta(minutes=600)) == BEGIN
    for text in (b"{}", b"[]", b'{"from": "2026-01-01T00:00:00", "to": 1, "incidents": []}'):
        with pytest.raises(UsageError):
            read_labels(text)
    naive = write_labels(LABELS).replace(b'Z"', b'"')
    with pytest.raises(UsageError, match="no offset"):
        read_labels(naive)
