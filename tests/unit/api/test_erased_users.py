"""A thousand users are taken out of the store while the API answers: every recommendation is what
that of an installation is which never knew them."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from rtcdp.answers import product_history
from rtcdp.answers.product_history import product_fold
from rtcdp.catalog.catalog import load_folds
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import row_changes
from tests.stories import event
from tests.told import DAY, MINUTE, START, Teller

USERS, ERASED = 1_500, 1_000
NOW = START + 2 * DAY
WEIGHTS = [1 / (rank + 1) for rank in range(60)]
ASKED = (
    *(f"/api/recommendations/product/p{n}?limit=100" for n in range(0, 60, 4)),
    *(f"/api/recommendations/user/u{n}?limit=20&exclude=none" for n in range(0, USERS, 60)),
    *(f"/api/recommendations/product/p{n}?diversity=60" for n in range(5)),
    "/api/recommendations/trending?limit=100",
)


def visits() -> list[dict[str, object]]:
    rng = random.Random(7)
    return [
        event(START + user * 100_000 + n * MINUTE, user=f"u{user}", productId=f"p{item}")
        | {"eventId": f"{user} {n}"}
        for user in range(USERS)
        for n, item in enumerate(rng.choices(range(60), WEIGHTS, k=4))
    ]


@pytest.fixture
def tellers(tmp_path: Path) -> Iterator[list[Teller]]:
    stores = [SqliteStore(tmp_path / f"{name}.db") for name in ("knew", "never")]
    fold = product_fold(load_folds())
    yield [Teller(store, (fold,)) for store in stores]
    for store in stores:
        store.close()


def answers(client: TestClient) -> list[dict[str, object]]:
    found = [client.get(address) for address in ASKED]
    assert {answer.status_code for answer in found} == {200}
    named = {"recommendation_id": "", "as_of": "", "lag_ms": 0}
    return [{**answer.json(), **named} for answer in found]


def test_it_is_as_if_they_had_never_been(tellers: list[Teller], make_api, monkeypatch) -> None:
    # Each answer looks at the store.
    monkeypatch.setattr(product_history, "GLANCE_S", 0.0)
    monkeypatch.setattr(product_history, "SHORT_S", float("inf"))
    knew, never = tellers
    erased = {f"u{n}" for n in random.Random(8).sample(range(USERS), ERASED)}
    knew.tell(visits(), NOW)
    never.tell([row for row in visits() if row["userId"] not in erased], NOW)

    def api(teller: Teller) -> TestClient:
        read = teller.installation(NOW)
        return make_api(store=read.store, metrics=(), clock=read.clock, log=None, folds=read.folds)

    asked, others = api(knew), answers(api(never))
    assert answers(asked) != others
    rows = [(row["userId"], row["timestamp"]) for row in visits() if row["eventId"].endswith(" 0")]
    fold = knew.folds[0]
    knew.erase(row_changes(fold.table, delete=[key for key in rows if key[0] in erased]))
    # Once for what follows the changes, and once for what begins after them.
    for client in (asked, api(knew)):
        found = answers(client)
        assert [*zip(ASKED, found, strict=True)] == [*zip(ASKED, others, strict=True)]
