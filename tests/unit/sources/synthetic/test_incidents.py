"""Incidents of a made-up past: its labels say what is in its events, and nothing else."""

from dataclasses import replace

import polars as pl
import pytest

from rtcdp.anomalies import Label, ms_of
from rtcdp.clock import DAY_MS
from rtcdp.sources.synthetic.history import History, Past
from rtcdp.sources.synthetic.incidents import CALM_DAYS

PAST = Past(days=18, users=20_000, seed=3, until_ms=1_767_225_600_000, incidents=True)
FIELDS = {"eventType": pl.String, "timestamp": pl.String, "productId": pl.String}


def columns(past: Past) -> pl.DataFrame:
    lines = b"\n".join(line for told in History(past).tell() for line in told.lines)
    time = pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ").dt.epoch("ms")
    return pl.read_ndjson(lines, schema=FIELDS).with_columns(time)


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    return columns(PAST)


def incident(cause: str) -> Label:
    return next(each for each in History(PAST).labels.incidents if each.cause == cause)


def count(events: pl.DataFrame, label: Label, days_before: int = 0, **equals: str) -> int:
    begin, end = (ms_of(time) - days_before * DAY_MS for time in (label.begin, label.end))
    is_then = pl.col("timestamp").is_between(begin, end, closed="left")
    return events.filter(is_then, **equals).height


def usual(events: pl.DataFrame, label: Label, **equals: str) -> float:
    return sum(count(events, label, days, **equals) for days in range(3, 9)) / 6


def test_in_an_outage_nobody_pays_and_carts_go_on(events: pl.DataFrame) -> None:
    outage = incident("payment outage")
    assert ms_of(outage.end) - ms_of(outage.begin) == 600_000
    assert count(events, outage, eventType="PURCHASE") == 0
    assert usual(events, outage, eventType="PURCHASE") > 0
    carts = count(events, outage, eventType="ADD_TO_CART")
    assert carts > usual(events, outage, eventType="ADD_TO_CART") / 4


def test_a_product_that_trends_is_looked_at_many_times_as_often(events: pl.DataFrame) -> None:
    trend = incident("trending product")
    product = next(each.product_id for each in trend.touches if each.product_id)
    viewed = {"eventType": "PRODUCT_VIEW", "productId": product}
    assert count(events, trend, **viewed) > 5 + 3 * usual(events, trend, **viewed)


def test_a_campaign_brings_people_and_a_silent_tracker_tells_of_nobody(
    events: pl.DataFrame,
) -> None:
    campaign, silence = incident("campaign"), incident("silent tracker")
    assert count(events, campaign) > 2 * usual(events, campaign)
    assert count(events, silence) == 0
    assert usual(events, silence) > 5


def test_nothing_happens_in_the_first_days_and_the_bot_every_night() -> None:
    labels = History(PAST).labels
    begins = [ms_of(each.begin) for each in labels.incidents]
    assert begins == sorted(begins)
    singular = [each for each in labels.incidents if not each.recurs]
    assert ms_of(singular[0].begin) >= PAST.from_ms + CALM_DAYS * DAY_MS
    assert len(singular) == 4
    assert len(labels.incidents) == 4 + PAST.days
    soon = replace(PAST, until_ms=PAST.until_ms - DAY_MS // 2)
    assert History(soon).labels.incidents == labels.incidents[: len(History(soon).labels.incidents)]


def test_a_past_with_incidents_is_one_of_its_own_and_always_the_same() -> None:
    small = replace(PAST, users=50)
    first, again, calm = (
        [line for told in History(past).tell() for line in told.lines]
        for past in (small, small, replace(small, incidents=False))
    )
    assert first == again
    ids = [{line.split(b'"')[3] for line in lines} for lines in (first, calm)]
    assert not ids[0] & ids[1]
