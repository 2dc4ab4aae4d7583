import pytest

from rtcdp.catalog.catalog import load_folds
from rtcdp.catalog.fold_reference import fold_in_words, fold_rows_of
from rtcdp.definitions import Fold, event_type
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.joins import IntervalJoin
from rtcdp.folds.paths import Paths
from rtcdp.folds.product_sessions import ProductSessions
from rtcdp.folds.retention import Retention
from rtcdp.folds.sessions import Sessions

STEPS = (FunnelStep("a", event_type("A")), FunnelStep("b", event_type("B")))


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (
            Sessions(by="client"),
            "events of one `sessionId`; those without one, if less than 30 min",
        ),
        (Sessions(exclude=("PING",)), "without `PING`"),
        (Sessions(midnight="Europe/Berlin"), "ending at midnight in Europe/Berlin"),
        (Sessions(campaign="productId"), "ending where `productId` changes"),
        (Funnel(STEPS), "2. b: events where `eventType` is `B`"),
        (Funnel(STEPS, order_of_steps="strict"), "in this order, with nothing between"),
        (Funnel(STEPS, is_open=True), "people may enter at any step"),
        (Funnel(STEPS, step_within_ms=60_000), "1 minute from step to step at most"),
        (Funnel(STEPS, exclusion=event_type("C")), "ended by events where `eventType` is `C`"),
        (Funnel(STEPS, breakdown="pageUrl"), "told apart by `pageUrl`"),
        (Funnel(STEPS, by="attempt"), "counted by attempt"),
        (Retention(cohort="each", unit="week"), "started by the first in every week of events"),
        (Retention(clock="rolling"), "30 whole days from the start itself"),
        (Paths(collapse=False), "8 at most"),
        (Paths(from_event=event_type("A")), "from the first of events where `eventType` is `A` on"),
        (Paths(to_event=event_type("B"), by="user"), "up to events where `eventType` is `B`"),
        (ProductSessions(products_max=9), "the last 9, the same again at once told once"),
        (IntervalJoin(event_type("A"), event_type("B")), "with the nearest after it of events"),
        (
            IntervalJoin(event_type("A"), event_type("B"), on=("pageUrl",)),
            "with the same `pageUrl` | within 1 day",
        ),
    ],
    ids=str,
)
def test_every_option_is_said(step, says):
    assert says in " | ".join(fold_in_words(step))


def test_a_page_says_where_to_ask():
    found = {fold.name: fold_rows_of(fold) for fold in load_folds()}
    assert found["sessions"]["Command"] == "`rtcdp sessions`, `rtcdp sessions --days`"
    assert "/api/paths/page_paths" in found["page_paths"]["Ask"]
    own = fold_rows_of(Fold("visits", "Visits", Sessions()))
    assert own["Ask"] == "`GET /api/sessions?fold=visits`, `GET /api/sessions/days?fold=visits`"
    assert own["One row per"] == "`userId` and `start`"
