"""Whoever reads a fold's view with SQL reads what the API says, row by row."""

import random

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers.fold_rows import RowsQuestion, rows_page
from rtcdp.catalog.catalog import load_folds
from rtcdp.definitions import Fold, event_type
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.joins import IntervalJoin
from rtcdp.folds.sessions import Sessions
from tests.conformance.stores.test_views import as_text, select
from tests.stories import event
from tests.told import HOUR, MINUTE, START, Teller

__all__ = ["select"]

STORES = ("postgresql", "sqlite")
"""MongoDB has no SQL."""

_STEPS = tuple(FunnelStep(name, event_type(name)) for name in ("PAGE_VIEW", "PURCHASE"))
FOLDS = (
    *load_folds(),
    Fold("by_client", "Visits", Sessions(by="client")),
    Fold("by_campaign", "Visits", Sessions(campaign="productId")),
    Fold("held", "Held", Funnel(_STEPS, hold=("productId",), breakdown="pageUrl", by="session")),
    Fold("for_ever", "For ever", Funnel(_STEPS, within_ms=None)),
    Fold(
        "seen_and_bought",
        "Seen and bought",
        IntervalJoin(
            event_type("PAGE_VIEW"),
            event_type("PURCHASE"),
            on=("sessionId", "productId"),
            within_ms=2 * HOUR,
        ),
    ),
)
LATENESS_MS = AdmissionRules().allowed_lateness_ms


@pytest.fixture
def teller(open_store):
    rng = random.Random(3)
    events = [
        event(
            START + rng.randrange(60) * 20 * MINUTE + rng.randrange(2),
            rng.choice(["PAGE_VIEW", "PAGE_VIEW", "PURCHASE"]),
            rng.choice(["ada", "b'o~b", "é/" * 9, "u" * 5000]),
            eventId=f"e{n:03d}",
            sessionId=rng.choice([None, "s", "~t-", "s" * 3000]),
            productId=rng.choice([None, "shoe", "sock"]),
            pageUrl=rng.choice([None, "/", '/"a']),
            value=rng.choice([None, 0.1, 19.99, -1e6, 1 / 3]),
        )
        for n in range(160)
    ]
    store = open_store()
    store.put_rules_in_force(AdmissionRules())
    made = Teller(store, FOLDS)
    made.tell(events, START + 19 * HOUR + LATENESS_MS, [30])
    return made


def test_sql_says_what_the_api_says(teller, select):
    """All folds of one store: it takes long to be filled."""
    store, read = teller.store, teller.installation(START)
    for fold in FOLDS:
        store.limit_completeness(fold.name, START + 5 * HOUR)
    assert_same(select, read, FOLDS)
    store.expire(buckets_before=START + 2 * HOUR, uncounted_before=0, offsets_before={})
    assert_same(select, read, FOLDS)


def assert_same(select, read, folds):
    for fold in folds:
        items = rows_page(read, fold, RowsQuestion(limit=1000)).items
        expected = [{**item, "partial": item.get("partial", False)} for item in items]
        rows = select(read.store, f'SELECT * FROM "{fold.name}"')  # noqa: S608
        seen = [shown(fold.table.view.columns, row) for row in rows]
        assert sorted(seen, key=key_of) == sorted(expected, key=key_of), fold.name
        if fold.name in ("sessions", "by_client", "seen_and_bought"):
            both = {True, False}
            assert {item["open"] for item in seen} == {item["partial"] for item in seen} == both


def shown(columns, row):
    """A row of a view, in the API's words."""
    item = {"open": bool(row["is_open"]), "partial": bool(row["is_partial"])}
    for column in columns:
        value = row[column.name]
        if value is not None and column.kind == "instant":
            value = as_text(value)
        item[column.field] = bool(value) if column.kind == "flag" else value
    return item


def key_of(item):
    return sorted((name, str(value)) for name, value in item.items())
