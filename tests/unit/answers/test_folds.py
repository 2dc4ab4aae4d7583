import pytest

from rtcdp.answers.folds import find_fold, folds_page, is_incomplete
from rtcdp.definitions import Fold
from rtcdp.errors import NotThere
from rtcdp.folds.retention import Retention
from rtcdp.folds.sessions import Sessions


def test_the_catalog_says_what_each_is_and_where_to_ask(told):
    found = {item.name: item for item in folds_page(told).items}
    assert {name: (item.kind, item.url) for name, item in found.items()} == {
        "cart_outcomes": ("join", "/api/joins/cart_outcomes"),
        "daily_retention": ("retention", "/api/retention/daily_retention"),
        "page_paths": ("paths", "/api/paths/page_paths"),
        "product_sessions": ("rows", "/api/folds/product_sessions"),
        "sessions": ("sessions", "/api/sessions"),
        "shop_funnel": ("funnel", "/api/funnels/shop_funnel"),
    }
    sessions = found["sessions"]
    assert (sessions.key, sessions.rows_url) == ("userId", "/api/folds/sessions")
    assert sessions.definition["gap_ms"] == 1_800_000
    assert sessions.columns[0].name == "id"
    assert sessions.filled_percent is None
    assert [item.name for item in folds_page(told, "funnel").items] == ["shop_funnel"]


def test_own_sessions_are_asked_for_by_name(make_teller):
    own = Fold("app_visits", "Visits", Sessions(by="client"))
    [item] = folds_page(make_teller(own).installation(0)).items
    assert item.url == "/api/sessions?fold=app_visits"


def test_an_unknown_name_is_told_the_known_ones(told):
    with pytest.raises(NotThere) as refused:
        find_fold(told.folds, "shop", "funnel")
    assert (str(refused.value), refused.value.hint) == (
        "there is no funnel 'shop'",
        "ask for one of: shop_funnel",
    )
    with pytest.raises(NotThere) as refused:
        find_fold(told.folds, "sessions", "funnel")
    assert refused.value.hint == "ask for /api/sessions"
    with pytest.raises(NotThere) as refused:
        find_fold((), "x", "paths")
    assert "catalog" in refused.value.hint


def test_what_no_engine_has_heard_of_is_incomplete(told):
    known, unknown = told.folds[0], Fold("others", "Others", Retention())
    assert not is_incomplete(told.store, known)
    assert is_incomplete(told.store, unknown)
