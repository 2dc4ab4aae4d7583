"""Joins over HTTP, as a page does it: it follows the addresses as they came."""

from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.definitions import Fold, event_type
from rtcdp.folds.joins import IntervalJoin
from rtcdp.store.sqlite import SqliteStore
from tests.told import DAY, START, Teller, carts

Api = TestClient[Litestar]

OF_PRODUCTS = Fold(
    "cart_outcomes",
    "Carts",
    IntervalJoin(event_type("ADD_TO_CART"), event_type("PURCHASE"), outcomes=("left", "right")),
    key="productId",
)


@pytest.fixture
def api_of(make_api, tmp_path: Path):
    store = SqliteStore(tmp_path / "told.db")

    def of(*folds: Fold) -> Api:
        teller = Teller(store, folds)
        teller.tell(carts(), START + 3 * DAY)
        read = teller.installation(START + 3 * DAY)
        return make_api(store=store, metrics=(), clock=read.clock, log=None, folds=read.folds)

    yield of
    store.close()


def test_the_addresses_in_answers_lead_to_what_they_say(api_of) -> None:
    api = api_of()
    items = api.get("/api/joins/cart_outcomes").json()["items"]
    assert len(items) == 5
    for item in items:
        behind = api.get(item["events_url"]).json()
        assert (behind["row"], behind["left"]["productId"]) == (item, item["productId"])
        assert (behind["right"] is not None) == item["matched"]
    totals = api.get("/api/joins/cart_outcomes/totals?cohort=hour").json()
    assert totals["total"]["count"] == 5
    for found in (*totals["items"], totals["total"]):
        for outcome in found["outcomes"].values():
            assert len(api.get(outcome["rows_url"]).json()["items"]) == outcome["count"]


def test_a_join_may_have_another_key_and_other_words(api_of) -> None:
    api = api_of(OF_PRODUCTS)
    found = api.get("/api/joins/cart_outcomes?productId=lamp&outcome=left").json()["items"]
    assert [item["right_value"] for item in found] == [20.5]
    total = api.get("/api/joins/cart_outcomes/totals").json()["total"]
    assert {word: each["count"] for word, each in total["outcomes"].items()} == {
        "left": 2,
        "right": 2,
        "waiting": 1,
    }
