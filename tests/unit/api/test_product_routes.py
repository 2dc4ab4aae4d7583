"""The addresses of products."""

from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.clock import ManualClock
from rtcdp.testing.driver import START_MS, Driver


@pytest.fixture
def api(make_api, tmp_path: Path):
    driver = Driver((), tmp_path)
    driver.update_products({"productId": "a/b", "category": "A", "price": 2}, {"x": 1})
    driver.process()
    yield make_api(store=driver.store, metrics=(), clock=ManualClock(START_MS), log=None, folds=())
    driver.close()


def test_the_answers(api: TestClient[Litestar]) -> None:
    [listed] = api.get("/api/products").json()["items"]
    assert listed == {
        "productId": "a/b",
        "name": None,
        "category": "A",
        "price": 2.0,
        "valid_from": "2026-01-01T00:00:00.000Z",
        "received_at": "2026-01-01T00:00:00.000Z",
    }
    for address in ("/api/products/a%2Fb", "/api/products/a/b"):
        assert api.get(address).json()["current"] == listed
    assert api.get("/api/products/a%2Fb?at=2025-12-31").json()["current"] is None
    [unused] = api.get("/api/product-updates/unused").json()["items"]
    assert unused["reason"] == "missing_field"


def test_what_is_not_there_says_what_to_do(api: TestClient[Litestar]) -> None:
    missing = api.get("/api/products/nothing")
    assert missing.status_code == 404
    assert "/api/products" in missing.json()["hint"]
    assert api.get("/api/products?colour=red").status_code == 400
