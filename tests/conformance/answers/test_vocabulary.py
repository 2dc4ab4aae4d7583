"""A metric for every word of the vocabulary, over disorder, repeats and odd values.

Every engine on every store gives the oracle's rows.
"""

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Literal, get_args, get_origin

import msgspec
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.definition import faults_of
from rtcdp.definitions import (
    Average,
    Buckets,
    Calendar,
    Compare,
    Count,
    Distinct,
    Equals,
    Everything,
    First,
    Last,
    Maximum,
    Metric,
    Minimum,
    Number,
    OneOf,
    Predicate,
    Present,
    Product,
    Property,
    Quantile,
    Ratio,
    StandardDeviation,
    Sum,
    Text,
    TopK,
    UrlHost,
    UrlPath,
    Variance,
    Window,
    all_of,
    any_of,
    measures,
    negate,
    sliding,
    tables_of,
    tumbling,
)
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.native import lowering as native
from rtcdp.engines.spark import lowering as spark
from rtcdp.log.contract import Delivery
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.verify.oracle import Oracle

SPARK_ON = ("sqlite",)
"""What Spark hands to any of the stores is of the same shape."""

START_MS = 1_774_738_800_000  # 2026-03-28T23:00:00Z: an hour before Berlin's shortest day
SPAN_MS = 100 * 3_600_000
EVENTS = 3_000
RULES = AdmissionRules(allowed_lateness_ms=10**9)
COUNTRIES = ("DE", "FR", "Île|;%`\"'", True, False, 7, 7.0, None, ["DE"], "x" * 300)
PAGES = (
    *("https://Shop.example/a?b=1", "https://shop.example:443/a#c", "//cdn.example", "/a", "", "z"),
    *(None, None),
)
COUNTRY, PLAN, QUANTITY = (
    Property("country"),
    Property("plan type", called="plan"),
    Property("quantity"),
)
MINUTES = tumbling(minutes=30)

METRICS = (
    Metric("by_country", "C", MINUTES, (Count("events"), Sum("total", QUANTITY)), (COUNTRY,)),
    Metric(
        "by_page",
        "P",
        sliding(size_seconds=3600, every_seconds=600),
        (Count("events"), Distinct("plans", PLAN), TopK("hosts", UrlHost(), k=3)),
        (UrlPath(called="path"), "eventType"),
    ),
    Metric(
        "conversion",
        "R",
        MINUTES,
        (
            Count("orders", any_of(Equals("eventType", "PURCHASE"), Compare("value", ">", 50))),
            Count("all", Everything()),
            Ratio("share", of="orders", to="all"),
            Variance("spread"),
        ),
        ("source", "sessionId"),
    ),
    Metric("by_host", "H", MINUTES, (Average("mean", QUANTITY),), (UrlHost(),)),
    Metric(
        "by_worth",
        "W",
        MINUTES,
        (Minimum("low", QUANTITY), Maximum("high", QUANTITY), StandardDeviation("sd", QUANTITY)),
        (Buckets("value", (0, 10, 99.5)), Buckets(QUANTITY, (2, 5))),
    ),
    Metric(
        "ends",
        "E",
        MINUTES,
        (
            First("first", "value"),
            Last("last", "value"),
            First("entry", UrlPath(), where=Present(COUNTRY)),
            Last("plan_then", PLAN),
            Last("page", "pageUrl"),
        ),
        ("userId",),
    ),
    Metric(
        "first_in_panes",
        "F",
        sliding(size_seconds=3600, every_seconds=600),
        (First("first", "value"), Last("page", "pageUrl"), Quantile("median", 0.5, QUANTITY)),
    ),
    Metric(
        "quantiles",
        "Q",
        MINUTES,
        (Quantile("median", 0.5), Quantile("p95", 0.95, QUANTITY, where=Present(PLAN))),
        ("eventType",),
    ),
    Metric(
        "by_day",
        "D",
        Calendar("day", "Europe/Berlin"),
        (Count("events"), Sum("total"), Distinct("users", "userId")),
        ("eventType",),
    ),
    # What is known of products, and when, is in test_products.py.
    Metric("by_category", "K", MINUTES, (Count("n"), Sum("total")), (Product("category"),)),
    Metric("by_week", "W", Calendar("week", "Asia/Kathmandu", "sunday"), (Average("mean"),)),
    Metric("by_month", "M", Calendar("month", "Australia/Lord_Howe"), (Count("n"),), ("userId",)),
    Metric(
        "chosen",
        "T",
        MINUTES,
        (
            Count("pro", Equals(PLAN, "pro")),
            Count("some", OneOf(COUNTRY, ("DE", "true"))),
            Count("two", Compare(QUANTITY, "==", 2)),
            Count("ten", Compare("value", "==", 10.0)),
            Count("without", negate(Present(PLAN))),
        ),
        (),
        all_of(Compare(QUANTITY, ">=", 1), Present(UrlPath())),
    ),
)


WORDS = {*get_args(Predicate), *get_args(Text), *get_args(Number), Window, Calendar}
WORDS |= {getattr(measures, name) for name in measures.__all__} - {measures.Measure}


def words_in(node: object) -> Iterator[type]:
    yield type(node)
    inner = node if isinstance(node, tuple) else ()
    if is_dataclass(node):
        inner = tuple(getattr(node, field.name) for field in fields(node))
    for each in inner:
        yield from words_in(each)


@pytest.mark.parametrize("engine", [native, spark], ids=["native", "spark"])
def test_no_word_of_the_vocabulary_is_left_out(engine) -> None:
    used = {word for metric in METRICS for word in words_in(metric)}
    words = {word for word in WORDS if get_origin(word) is not Literal}
    assert words - used == engine.UNSUPPORTED.keys()


def event(draw: random.Random, number: int) -> dict[str, object]:
    held = {
        "country": draw.choice(COUNTRIES),
        "plan type": draw.choice(["pro", "free", "", 1e16]),
        "quantity": draw.choice([1, 2, 2.0, 3.75, -1, "3", True, None, 1e12]),
    }
    return {
        "eventId": f"e{number if draw.random() < 0.9 else number // 2}",
        "userId": draw.choice("abc"),
        "sessionId": draw.choice(["s", None]),
        "eventType": draw.choice(["PAGE_VIEW", "PURCHASE"]),
        "timestamp": START_MS + draw.randrange(SPAN_MS),
        "pageUrl": draw.choice(PAGES),
        "productId": draw.choice(["kite", "tea", None]),
        "value": draw.choice([None, -3.0, 0, 9.99, 10, 99.5, 1e6, -0.0]),
        "properties": draw.choice([held, held, {}, None]),
    }


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    draw = random.Random(11)
    events = [event(draw, number) for number in range(EVENTS)]
    made = MemoryLog(lambda: 400)
    while events:
        batch, events = events[:150], events[150:]
        lines = b"".join(msgspec.json.encode(each) + b"\n" for each in batch)
        made.append([Delivery(lines, len(batch), START_MS + SPAN_MS, "shop")])
    return made


@pytest.fixture(scope="module")
def oracle(log: MemoryLog) -> Oracle:
    return Oracle(METRICS, RULES).feed(log.records())


def test_every_metric_makes_sense() -> None:
    assert [faults_of(metric) for metric in METRICS] == [[] for _ in METRICS]


def test_every_table_has_the_oracle_s_rows(log, oracle, run_engine, open_store) -> None:
    store = open_store()
    run_engine(log, store, METRICS, RULES, 60_000)
    for metric in stored_metrics(METRICS):
        for table in tables_of(metric):
            expected = oracle.rows[table.name]
            assert expected, table.name
            width = len(table.primary_key)
            found = {row[:width]: list(row[width:]) for row in store.dump(table).rows()}
            assert found == expected, table.name
