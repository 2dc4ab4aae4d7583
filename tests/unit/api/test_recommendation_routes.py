"""The addresses of recommendations."""

from pathlib import Path
from urllib.parse import quote

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.store.sqlite import SqliteStore
from tests.stories import event
from tests.told import DAY, MINUTE, START, Teller

NOW = START + DAY
REQUESTS = (
    "/api/recommendations/product/a/b?limit=2",
    "/api/recommendations/product/nothing?limit=1",
    "/api/recommendations/user/ada?limit=2&exclude=none",
    "/api/recommendations/user/ada?exclude=bought,sock&exclude=a/b",
    "/api/recommendations/trending?limit=1",
)


@pytest.fixture
def api(make_api, tmp_path: Path):
    store = SqliteStore(tmp_path / "told.db")
    teller = Teller(store)
    teller.tell(
        [
            event(START + n * MINUTE, user=user, productId=item, eventId=f"{user}{n}")
            for user in ("ada", "bob", "cay")
            for n, item in enumerate(("a/b", "sock", "hat"))
        ],
        NOW,
    )
    read = teller.installation(NOW)
    yield make_api(store=store, metrics=(), clock=read.clock, log=None, folds=read.folds)
    store.close()


def items(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["productId"] for each in answer.json()["items"]]


def test_the_answers(api: TestClient[Litestar]) -> None:
    found = [items(api.get(address)) for address in REQUESTS]
    assert found == [["sock", "hat"], ["a/b"], ["sock", "a/b"], [], ["a/b"]]
    answer = api.get(REQUESTS[0])
    assert answer.headers["x-lag-ms"] == "0"
    assert answer.json()["items"][0]["because"] == {"item": "a/b", "sessions": 3, "looked_at": 3}
    assert answer.json()["audience"] == "recommended"


def test_a_basket(api: TestClient[Litestar]) -> None:
    address = "/api/recommendations/basket"
    assert items(api.post(address, json={"items": ["a/b"], "limit": 1})) == ["sock"]
    refused = api.post(address, json={"items": []})
    assert refused.status_code == 400
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert api.post(address, content=b"{").status_code == 400


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "diversity=101", "colour=red"])
def test_what_is_not_possible_is_refused(api: TestClient[Litestar], query: str) -> None:
    assert api.get(f"/api/recommendations/product/sock?{query}").status_code == 400


@pytest.mark.parametrize("user", ["/", "//", "/..", "a b", "%", "é", "?", "x" * 256])
def test_anybody_may_ask_whatever_the_id(api: TestClient[Litestar], user: str) -> None:
    for kind in ("user", "product"):
        address = f"/api/recommendations/{kind}/{quote(user, safe='')}?limit=1"
        assert items(api.get(address)) == ["a/b"], address


def test_what_came_of_it_needs_a_fold(api: TestClient[Litestar]) -> None:
    answer = api.get("/api/recommendations/outcomes")
    assert answer.status_code == 404
    assert "RecommendationOutcomes" in answer.json()["detail"] + str(answer.json())
