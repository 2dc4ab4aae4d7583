"""A result is a function of the set of admitted events alone (promise 4), and it is right.

Any metrics over any events: the engine's tables equal the oracle's, whatever the order of arrival,
the cuts between batches, repeated deliveries and restarts.
"""

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import (
    Average,
    Compare,
    Count,
    Distinct,
    Equals,
    Everything,
    Maximum,
    Metric,
    Minimum,
    OneOf,
    Present,
    Sum,
    TopK,
    Variance,
    Window,
    all_of,
    any_of,
    negate,
    tables_of,
)
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.verify.oracle import Oracle

RULES = AdmissionRules(max_clock_skew_ms=2_000, allowed_lateness_ms=20_000)
Event = dict[str, object]

texts = st.sampled_from(["a", "b", "c", "ä😀", ""])
amounts = (
    st.floats(-(2.0**33), 2.0**33) | st.sampled_from([0.1, 0.2, 0.3, -0.0, 1e-7, 19.99]) | st.none()
)
predicates = st.recursive(
    st.just(Everything())
    | st.builds(Equals, st.sampled_from(["eventType", "productId"]), st.sampled_from(["A", "a"]))
    | st.builds(OneOf, st.just("eventType"), st.just(("A", "B")))
    | st.builds(Present, st.sampled_from(["value", "pageUrl"]))
    | st.builds(Compare, st.just("value"), st.sampled_from(["<", "<=", ">", ">="]), st.just(0.1)),
    lambda inner: (
        st.builds(all_of, inner, inner) | st.builds(any_of, inner, inner) | st.builds(negate, inner)
    ),
    max_leaves=4,
)
windows = st.builds(
    lambda slide, overlap, rest: Window(max(slide, slide * overlap - rest), slide),
    st.sampled_from([700, 1000, 1500]),
    st.integers(1, 7),
    st.sampled_from([0, 0, 300]),
)
wheres = st.none() | predicates
measures = st.lists(
    st.one_of(
        st.builds(Count, st.just("events"), wheres),
        st.builds(Sum, st.just("total"), where=wheres),
        st.builds(Minimum, st.just("lowest"), where=wheres),
        st.builds(Maximum, st.just("highest"), where=wheres),
        st.builds(Average, st.just("mean"), where=wheres),
        st.builds(Variance, st.just("spread"), where=wheres),
        st.builds(Distinct, st.just("users"), st.just("userId"), wheres),
        st.builds(Distinct, st.just("products"), st.just("productId"), wheres),
        st.builds(TopK, st.just("pages"), st.just("pageUrl"), where=wheres),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda measure: measure.name,
)
metrics = st.builds(
    lambda window, key, predicate, measured: Metric(
        "metric", "a metric", window, tuple(measured), tuple(key), predicate
    ),
    windows,
    st.lists(
        st.sampled_from(["userId", "productId", "eventType", "source"]), max_size=2, unique=True
    ),
    predicates,
    measures,
)
events = st.builds(
    lambda user, age, kind, product, page, value: {
        "userId": user or "nobody",
        "timestamp": START_MS - age,
        "eventType": kind,
        "productId": product,
        "pageUrl": page,
        "value": value,
    },
    texts,
    st.integers(-2_500, 22_000),
    st.sampled_from(["A", "B"]),
    texts | st.none(),
    texts | st.none(),
    amounts,
)


def numbered(batch: Sequence[Event]) -> list[Event]:
    return [{"eventId": f"e{i}", **event} for i, event in enumerate(batch)]


def tables_after(metric: Metric, feed: Sequence[Event], seed: int) -> dict[str, pl.DataFrame]:
    """Feed the events, cut and restarted at random, and return every table."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory:
        driver = Driver([metric], Path(directory), RULES, lambda: rng.choice([1, 2, 7, 1000]))
        for event in feed:
            driver.feed(event)
            if rng.random() < 0.1:
                driver.process()
            if rng.random() < 0.05:
                driver.restart()
        dump = driver.dump()
        totals = driver.ledger()
        driver.close()
    counted = totals["admitted"] + totals["duplicate"] + totals["late"] + totals["dead_letter"]
    assert totals["received"] == counted == len(feed)
    return dump


@settings(max_examples=60)
@given(metrics, st.lists(events, max_size=40), st.integers(0, 2**32))
def test_the_engine_agrees_with_the_oracle(metric: Metric, batch: list[Event], seed: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        rng = random.Random(seed)
        driver = Driver([metric], Path(directory), RULES, lambda: rng.choice([1, 3, 1000]))
        driver.feed(*numbered(batch), *batch[:3], b"{not json", msgspec.json.encode([1]))
        oracle = Oracle([metric], RULES).feed(driver.log.records())
        for table in tables_of(metric):
            stored = driver.dump()[table.name]
            width = len(table.primary_key)
            found = {row[:width]: list(row[width:]) for row in stored.rows()}
            assert found == oracle.rows[table.name]
        verdicts = {"admitted": 0, "duplicate": 0, "late": 0, "dead_letter": 0}
        for (_, _, verdict), count in oracle.ledger.items():
            verdicts[verdict] += count
        assert verdicts.items() <= driver.ledger().items()
        driver.close()


@settings(max_examples=40)
@given(metrics, st.lists(events, max_size=30), st.integers(0, 2**32))
def test_order_cuts_repeats_and_restarts_change_nothing(
    metric: Metric, batch: list[Event], seed: int
) -> None:
    rng = random.Random(seed)
    once = numbered(batch)
    shuffled = once * 3
    rng.shuffle(shuffled)
    expected = tables_after(metric, once, seed)
    found = tables_after(metric, shuffled, seed + 1)
    assert all(found[name].equals(expected[name]) for name in expected)
