"""Every fold on every store tells what is counted on paper, by versions that share no code."""

import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.definitions import Fold, event_type
from rtcdp.engines.notices import noticed
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.joins import IntervalJoin
from rtcdp.folds.paths import Paths
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.folds.recommendation_outcomes import RecommendationOutcomes
from rtcdp.folds.retention import Retention
from rtcdp.folds.sessions import Sessions
from rtcdp.verify.independent import verify_independently
from rtcdp.verify.stored import Kept
from tests.conformance.folds.stream import DAY, HOUR, RULES, START_MS, Stream
from tests.properties.folds import (
    naive_funnels,
    naive_joins,
    naive_outcomes,
    naive_paths,
    naive_product_sessions,
    naive_retention,
    naive_sessions,
)

ENGINES = ("native",)
NEVER = Kept(10**13, 10**13, START_MS)

SHOP = tuple(
    FunnelStep(type_.lower(), event_type(type_))
    for type_ in ("PAGE_VIEW", "ADD_TO_CART", "PURCHASE")
)
OUTCOMES = RecommendationOutcomes(event_type("SEARCH"), within_ms=3 * HOUR)
FOLDS = (
    *load_folds(),
    Fold("by_client", "", Sessions(by="client", exclude=("PING",))),
    Fold("by_day", "", Sessions(midnight="Asia/Kolkata", longest_ms=6 * HOUR)),
    Fold("by_campaign", "", Sessions(campaign="productId")),
    Fold("shop_by_session", "", Funnel(SHOP, by="session")),
    Fold("attempts", "", Funnel(SHOP, by="attempt", within_ms=3 * HOUR, hold=("productId",))),
    Fold("strict_shop", "", Funnel(SHOP, "strict", within_ms=None)),
    Fold("weekly", "", Retention(cohort="each", unit="week", periods=4, time_zone="Asia/Kolkata")),
    Fold("daily_rolling", "", Retention(clock="rolling", start=event_type("PURCHASE"))),
    Fold("few_products", "", ProductSessions(products_max=2)),
    Fold("outcomes", "", OUTCOMES),
    Fold("ways_to_buy", "", Paths(by="user", to_event=event_type("PURCHASE"), nodes_max=4)),
    Fold(
        "searched_and_seen",
        "",
        IntervalJoin(event_type("SEARCH"), event_type("PAGE_VIEW"), within_ms=HOUR),
    ),
)


@pytest.fixture(scope="module")
def streams():
    return [Stream(seed=0), Stream(seed=1, count=100), Stream(seed=2, count=20)]


@pytest.mark.parametrize(
    ("number", "records_per_read", "folds"),
    [(0, 1_000_000, FOLDS), (1, 11, FOLDS), (2, 1, load_folds())],
    ids=["at once", "by elevens", "one by one"],
)
def test_rows_are_what_is_counted_on_paper(
    streams, run_engine, open_store, number, records_per_read, folds
) -> None:
    stream, store = streams[number], open_store()
    log = stream.log(records_per_read)
    run_engine(log, store, folds, RULES, 10**9)
    for fold in folds:
        rows = store.dump(fold.table).rows(named=True)
        assert in_words(rows, fold.step) == on_paper(stream.admitted, fold.step), fold.name
    check_notices(store, folds)
    found = verify_independently(log, store, folds, RULES, NEVER)
    assert (found.disagreements, found.set_aside, found.left_out) == ((), (), ())


def test_a_stream_has_something_for_everyone(streams):
    """What the others compare is there at all."""
    found = on_paper(streams[0].admitted, Funnel(SHOP))
    assert {depth for *_, depth, _ in found} == {1, 2, 3}
    sessions = on_paper(streams[0].admitted, Sessions())
    edges = [row["userId"] for row in sessions if row["userId"].startswith("edge")]
    assert edges == ["edge +0", "edge +0", "edge +1", "edge +1", "edge -1"]
    outcomes = on_paper(streams[0].admitted, OUTCOMES)
    assert all(any(row[place] for row in outcomes) for place in (5, 6, 8, 10))
    carts = on_paper(streams[0].admitted, next(f.step for f in FOLDS if f.name == "cart_outcomes"))
    assert {right_at is None for *_, right_at, _ in carts} == {True, False}
    starts = [row["start"] for row in sessions]
    assert max(starts) - min(starts) > 7 * DAY


def check_notices(store, folds):
    """Whoever followed from the beginning was told of every row that is there."""
    with store.snapshot() as snapshot:
        for fold in folds:
            found = noticed(snapshot, fold, 0)
            rows = store.dump(fold.table).select(fold.primary_key)
            untold = rows.join(found.keys, on=fold.primary_key, how="anti")
            assert untold.height <= found.more_changed, fold.name
            assert found.keys.height >= min(rows.height, 200)


def in_words(rows, step):
    match step:
        case Sessions():
            return naive_sessions.in_words(rows)
        case Funnel():
            return naive_funnels.in_words(rows, step)
        case Retention():
            return naive_retention.in_words(rows, step)
        case Paths():
            return naive_paths.in_words(rows)
        case ProductSessions():
            return naive_product_sessions.in_words(rows)
        case IntervalJoin():
            return naive_joins.in_words(rows, step)
        case RecommendationOutcomes():
            return naive_outcomes.in_words(rows, step)


def on_paper(events, step):
    match step:
        case Sessions():
            return naive_sessions.rows_of(events, step)
        case Funnel():
            return naive_funnels.rows_of(events, step)
        case Retention():
            return naive_retention.rows_of(events, step)
        case Paths():
            return naive_paths.rows_of(events, step)
        case ProductSessions():
            return naive_product_sessions.rows_of(events, step)
        case IntervalJoin():
            return naive_joins.rows_of(events, step)
        case RecommendationOutcomes():
            named = [each | each.get("properties", {}) for each in events]
            return naive_outcomes.rows_of(named, step)
