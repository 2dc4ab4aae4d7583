"""Recommendations that are answered past the router say what it would say."""

from pathlib import Path
from secrets import token_bytes

import pytest
from litestar.testing import TestClient

from rtcdp.access.gate import Gate
from rtcdp.access.key_file import change_keys, keys_path
from rtcdp.access.keys import KeyWish
from rtcdp.access.rules import AccessRules
from rtcdp.answers import recommendations
from rtcdp.api.at_once import at_once
from rtcdp.api.entrance import may_read
from rtcdp.clock import SystemClock
from rtcdp.store.sqlite import SqliteStore
from tests.stories import event
from tests.told import DAY, MINUTE, START, Teller

NOW = START + DAY
AT_ONCE = (
    "/api/recommendations/product/a%2Fb?limit=2",
    "/api/recommendations/product/a/b",
    "/api/recommendations/product///b?userId=ada",
    "/api/recommendations/user/ada?exclude=none",
    "/api/recommendations/user/%C3%A9?limit=1",
)
BY_THE_ROUTER = (
    "/api/recommendations/product/sock?diversity=50",
    "/api/recommendations/user/ada?category=feet",
    "/api/recommendations/user/ada?limit=0",
    "/api/recommendations/user/%FF",
    "/api/recommendations/user/",
    "/api/recommendations/trending",
    "/api/ledger",
)


@pytest.fixture
def context(make_context, tmp_path: Path):
    store = SqliteStore(tmp_path / "told.db")
    teller = Teller(store)
    seen = [
        event(START + n * MINUTE, user=user, productId=item, eventId=f"{user}{n}")
        for user in ("ada", "bob", "cay")
        for n, item in enumerate(("a/b", "sock", "//b"))
    ]
    teller.tell(seen, NOW)
    read = teller.installation(NOW)
    yield make_context(store=store, metrics=(), clock=read.clock, log=None, folds=read.folds)
    store.close()


async def router(_scope, _receive, send):
    """What stands for the router: it says that it was asked."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def told(answer):
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return {**body, "recommendation_id": ""}, dict(answer.headers) | {"content-length": ""}


@pytest.mark.parametrize("address", AT_ONCE)
def test_it_is_what_the_router_says(context, make_api, address):
    asked = {name: getattr(context.installation, name) for name in ("store", "clock", "folds")}
    said = told(make_api(metrics=(), log=None, **asked).get(address))
    assert said[0]["items"]
    client = TestClient(at_once(router, context))
    assert client.get(address).status_code == 204  # Nobody has looked yet.
    context.history.glance(context.installation)
    assert told(client.get(address)) == said
    assert TestClient(at_once(router, context, lambda _: False)).get(address).status_code == 204
    assert client.post(address).status_code == 204


@pytest.mark.parametrize("accepted", ["gzip", "br;q=0.5, zstd", "identity", ""])
def test_it_is_sent_in_the_encoding_that_is_asked_for(context, monkeypatch, accepted):
    """And what is long is left to the layers that send long answers."""
    context.history.glance(context.installation)
    client = TestClient(at_once(router, context))
    plain = told(client.get(AT_ONCE[0], headers={"Accept-Encoding": "identity"}))[0]
    monkeypatch.setattr("rtcdp.api.at_once.MIN_BYTES", 1)
    answer = client.get(AT_ONCE[0], headers={"Accept-Encoding": accepted})
    assert told(answer)[0] == plain
    expected = {"gzip": "gzip", "br;q=0.5, zstd": "zstd"}.get(accepted)
    assert answer.headers.get("content-encoding") == expected
    assert answer.headers["vary"] == "Accept-Encoding"
    monkeypatch.setattr("rtcdp.api.at_once.LONG_BYTES", 100)
    assert client.get(AT_ONCE[0]).status_code == 204


@pytest.mark.parametrize("address", BY_THE_ROUTER)
def test_what_takes_longer_or_is_refused_is_the_router_s(context, address):
    context.history.glance(context.installation)
    assert TestClient(at_once(router, context)).get(address).status_code == 204


def test_who_has_many_sessions_waits_for_a_thread(context, monkeypatch):
    context.history.glance(context.installation)
    monkeypatch.setattr(recommendations, "OWN_SESSIONS_MAX", 0)
    client = TestClient(at_once(router, context))
    assert client.get("/api/recommendations/user/ada").status_code == 204
    assert client.get("/api/recommendations/user/nobody").status_code == 200


def test_who_has_no_key_to_read_is_left_to_the_router(context, tmp_path: Path):
    context.history.glance(context.installation)

    def made(scope):
        wish = KeyWish(scope, (scope,))
        return change_keys(keys_path(tmp_path), lambda ring: ring.with_new(wish, 0, token_bytes))

    reads, writes = made("read").token, made("write").token
    gate = Gate(tmp_path, AccessRules(), SystemClock(), token_bytes)
    client = TestClient(at_once(router, context, may_read(gate)))
    found = [
        client.get(AT_ONCE[0], headers={"Authorization": f"Bearer {token}"}).status_code
        for token in (reads, writes, "nonsense")
    ]
    assert [*found, client.get(AT_ONCE[0]).status_code] == [200, 204, 204, 204]
