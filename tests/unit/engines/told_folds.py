"""Folds that are told in tests of engines, and who asks for what they need."""

from rtcdp.definitions import Fold, event_type
from rtcdp.engines.stored_rows import StoredRows
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.folds.sessions import Sessions

MINUTE = 60_000
STEPS = tuple(FunnelStep(name, event_type(name)) for name in ("PAGE_VIEW", "PURCHASE"))
FOLDS = (
    Fold("visits", "Visits", Sessions(longest_ms=120 * MINUTE)),
    Fold("by_campaign", "Visits by campaign", Sessions(campaign="productId")),
    Fold("shop", "Shop", Funnel(STEPS, within_ms=60 * MINUTE)),
    Fold("by_client", "By the client's session", Sessions(), key="sessionId"),
)


def asked_of(name):
    """Notes which keys of a table are read from now on."""
    asked = []
    rows = StoredRows.rows

    def noting(stored, spans):
        if stored._table.name == name:
            asked.extend(spans.get_column(*stored._table.group_key).to_list())
        return rows(stored, spans)

    return asked, noting
