"""The gate in front of an application, and of what is answered past it."""

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar, Request, Response, delete, get, post
from litestar.testing import TestClient

from rtcdp.access.gate import Gate
from rtcdp.access.key_file import change_keys, keys_path
from rtcdp.access.keys import KeyWish
from rtcdp.access.needs import ADMIN, OPEN, READ
from rtcdp.access.page_session import COOKIE, CSRF_HEADER
from rtcdp.access.rules import AccessRules
from rtcdp.api.door import Door
from rtcdp.api.entrance import (
    asking_of,
    behind,
    entrance,
    may_read,
    page_guests,
    session_in,
    who_asks,
)
from rtcdp.api.guard import guarded
from rtcdp.api.problem import exception_handlers
from rtcdp.clock import ManualClock

SHOP = "https://shop.example"
BROWSER = {"Accept": "text/html,*/*;q=0.8"}
NEEDS = {"/v1/events": "send", "/v1/import": "write"}


@get("/numbers", opt=READ, sync_to_thread=False)
def numbers() -> dict[str, int]:
    return {"views": 7}


@post("/words", opt=ADMIN, sync_to_thread=False)
def words() -> None:
    """Something that people write."""


@delete("/people/{userId:path}", opt=ADMIN, sync_to_thread=False)
def person(request: Request) -> Response[None]:
    return Response(None, headers={"X-Who": who_asks(request)})


@get("/alive", opt=OPEN, sync_to_thread=False)
def alive() -> str:
    return "yes"


@get("/forgotten", sync_to_thread=False)
def forgotten() -> str:
    return "a secret"


async def echo(scope, _, send) -> None:
    """Answers with the query that it got."""
    await Response(scope["query_string"].decode()).to_asgi_response(None, None)(scope, _, send)


class Server:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = ManualClock(1_000_000)
        self.gate = Gate(directory, AccessRules(), self.clock, secrets.token_bytes)
        app = Litestar(
            [numbers, words, person, alive, forgotten],
            guards=[entrance(self.gate)],
            exception_handlers=exception_handlers,
            logging_config=None,
        )
        past = {path: behind(echo, need, self.gate) for path, need in NEEDS.items()}

        async def front(scope, receive, send) -> None:
            await past.get(scope.get("path"), app)(scope, receive, send)

        guests = page_guests(NEEDS, self.gate)
        self.app = guarded(front, Door(), guests)

    def key(self, *scopes, **bounds) -> str:
        wish = KeyWish("a key", scopes, **bounds)
        made = change_keys(
            keys_path(self.directory), lambda ring: ring.with_new(wish, 0, secrets.token_bytes)
        )
        self.clock.advance(250)
        return made.token


@pytest.fixture
def server(tmp_path) -> Server:
    return Server(tmp_path)


@pytest.fixture
def client(server: Server) -> Iterator[TestClient]:
    with TestClient(server.app, base_url="http://127.0.0.1:8081") as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def test_without_keys_it_is_open(client) -> None:
    assert client.get("/numbers").json() == {"views": 7}
    assert client.get("/forgotten").status_code == 200
    assert client.post("/v1/import?source=a").text == "source=a"
    assert client.post("/v1/events?source=a&key=rtcdp_w_1").text == "source=a"


@pytest.mark.parametrize(
    "shown",
    [bearer, lambda t: basic(f"me:{t}"), lambda t: basic(f"{t}:"), basic],
)
def test_a_key_is_shown_as_bearer_or_basic(server, client, shown) -> None:
    token = server.key("read")
    assert client.get("/numbers", headers=shown(token)).status_code == 200
    refused = client.get("/numbers", headers=shown(token[:-2] + "zz"))
    assert (refused.status_code, refused.json()["code"]) == (401, "unknown_key")
    assert refused.headers["www-authenticate"] == 'Bearer realm="rtcdp"'
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["", "Bearer", "Basic !", "Basic /w==", "Digest x", "rtcdp"])
def test_what_is_no_key_is_refused(server, client, header) -> None:
    server.key("read")
    refused = client.get("/numbers", headers={"Authorization": header})
    assert refused.status_code == 401


def test_a_route_that_says_nothing_is_for_administrators(server, client) -> None:
    reads, all_ = server.key("read"), server.key("admin")
    assert client.get("/forgotten", headers=bearer(reads)).json()["code"] == "wrong_scope"
    assert client.get("/forgotten", headers=bearer(all_)).text == "a secret"
    assert client.get("/alive").text == "yes"
    assert client.options("/numbers").status_code == 204


def test_what_administrators_do_is_noted(server, client) -> None:
    reads, all_ = server.key("read"), server.key("admin")
    client.post("/words", headers=bearer(reads))
    client.post("/words", headers=bearer(all_))
    client.get("/numbers", headers=bearer(all_))
    lines = (server.directory / "audit.jsonl").read_text().splitlines()
    assert len(lines) == 1
    assert "POST /words" in lines[0]
    assert all_ not in lines[0]
    deleted = client.delete("/people/ada@example.org", headers=bearer(all_))
    noted = (server.directory / "audit.jsonl").read_text().splitlines()[-1]
    assert "DELETE /people/{userId}" in noted
    assert "ada" not in noted
    assert deleted.headers["x-who"] in noted


def test_who_looks_at_a_page_is_led_to_where_to_log_in(server, client) -> None:
    server.key("read")
    led = client.get("/numbers?last=1h&a=b", headers=BROWSER, follow_redirects=False)
    assert led.status_code == 303
    assert led.headers["location"] == "/login?next=%2Fnumbers%3Flast%3D1h%26a%3Db"
    assert client.post("/words", headers=BROWSER).status_code == 401


def test_a_session_is_a_cookie(server, client) -> None:
    session = server.gate.begin_session(server.key("admin"), "")
    cookie = {"Cookie": f"a=b; {COOKIE}={session.value}"}
    assert client.get("/numbers", headers=cookie).status_code == 200
    assert client.post("/words", headers=cookie).json()["code"] == "no_csrf_token"
    shown = {**cookie, CSRF_HEADER: session.csrf_token}
    assert client.post("/words", headers=shown).status_code == 201
    assert client.get("/numbers", headers={"Cookie": f"{COOKIE}=x"}).status_code == 401


@pytest.mark.parametrize("cookies", ["", "a=b", f"{COOKIE}", f"x{COOKIE}=1", "\x00" + COOKIE])
def test_what_is_no_session_is_none(cookies) -> None:
    assert session_in(cookies) is None


@pytest.mark.parametrize("others", ["a=b; ", 'prefs={"x":1}; ', "foo; ", 'q="a\\"; é=1; '])
def test_cookies_of_others_lock_nobody_out(others) -> None:
    assert session_in(f"{others}{COOKIE}=a.1.b.c; z=1") == "a.1.b.c"


def test_a_key_sends_as_its_sources(server, client) -> None:
    token = server.key("write", sources=("shop", "till"))
    sent = [client.post(f"/v1/import{q}", headers=bearer(token)) for q in ("", "?source=till")]
    assert [each.text for each in sent] == ["source=shop", "source=till"]
    refused = client.post("/v1/import?source=bank", headers=bearer(token))
    assert (refused.status_code, refused.json()["code"]) == (403, "foreign_source")
    assert client.post("/v1/import?source=till&source=bank", headers=bearer(token)).is_error
    escaped = client.post("/v1/import?s%6Furce=bank", headers=bearer(token))
    assert (escaped.status_code, escaped.json()["code"]) == (403, "foreign_source")


def test_a_page_sends_with_a_key_that_is_for_its_origin(server, client) -> None:
    token = server.key("write", origins=(SHOP,), sources=("shop",))
    page = {"Origin": SHOP, "Sec-Fetch-Site": "cross-site"}
    sent = client.post(f"/v1/events?key={token}", headers=page)
    assert (sent.status_code, sent.text) == (200, "source=shop")
    assert sent.headers["access-control-allow-origin"] == SHOP
    asked = {**page, "Access-Control-Request-Method": "POST"}
    assert client.options(f"/v1/events?key={token}", headers=asked).status_code == 204

    evil = {**page, "Origin": "https://evil.test"}
    for path, headers in [
        (f"/v1/events?key={token}", evil),
        (f"/v1/import?key={token}", page),
        ("/v1/events", page),
        (f"/v1/events?key={token[:-1]}", page),
    ]:
        refused = client.post(path, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "foreign_page")
        assert "access-control-allow-origin" not in refused.headers
    for headers in ({}, page):
        refused = client.post(f"/v1/events?key={token}&key=rtcdp_w_1", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "repeated_key")
        assert refused.json()["hint"] == "send key once"
    assert client.get(f"/numbers?key={token}", headers=page).status_code == 403


def test_a_page_s_key_without_sources_sends_as_the_one_without_a_name(server, client) -> None:
    token = server.key("write", origins=(SHOP,))
    page = {"Origin": SHOP, "Sec-Fetch-Site": "cross-site"}
    assert client.post(f"/v1/events?key={token}", headers=page).text == ""
    for name in ("source", "%73ource"):
        refused = client.post(f"/v1/events?key={token}&{name}=till", headers=page)
        assert (refused.status_code, refused.json()["code"]) == (403, "foreign_source")


def test_a_key_that_stands_in_pages_is_of_no_use_elsewhere(server, client) -> None:
    token = server.key("write", origins=(SHOP,))
    for path in ("/v1/events", "/v1/import"):
        assert client.post(path, headers=bearer(token)).status_code == 403
    assert client.get("/numbers", headers=bearer(token)).status_code == 403


def test_other_answers_ask_whether_somebody_may_read(server) -> None:
    token = server.key("read")
    scope = {"method": "GET", "headers": [], "client": ("10.0.0.1", 7), "query_string": b""}
    shown = {**scope, "headers": [(b"authorization", f"bearer {token}".encode())]}
    assert [may_read(server.gate)(each) for each in (scope, shown)] == [False, True]
    assert asking_of(shown).address == "10.0.0.1"
