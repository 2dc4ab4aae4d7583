"""Every address, asked with every kind of key there is: who is let in is what docs/access.md says,
and who is not learns nothing."""

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes

import httpx
import pytest

from rtcdp.access.key_file import change_keys, keys_path
from rtcdp.access.keys import KeyWish
from rtcdp.access.rules import AccessRules
from rtcdp.clock import SystemClock
from rtcdp.runtime.access_reference import PAGE, all_routes
from rtcdp.runtime.http.server import run_http_server
from rtcdp.runtime.processes.ports import claim_port, is_listening
from rtcdp.runtime.settings import Settings

SHOP, EVIL = "https://shop.example", "https://evil.test"
HIDDEN = "a-user-nobody-may-know-of"
ROW = re.compile(r"\| `(\S+)` \| ([A-Z]+) \| (.) \| (.) \| (.) \| (.) \| (.) \|")
COLUMNS = ("nothing", "in a page", "write", "read", "admin")
NO_KEY = ("forged", "expired", "revoked", "nonsense")


@dataclass(frozen=True)
class House:
    """A running server, and the tokens of its keys by what they are."""

    client: httpx.Client
    tokens: dict[str, str]

    def status(self, method: str, path: str, **headers: str) -> tuple[int, str]:
        """The status, and the beginning of the answer: a live stream has no end."""
        with self.client.stream(method, path, headers=headers, content=b"") as answer:
            text = "" if path.startswith("/api/live") and answer.is_success else answer.read()
            return answer.status_code, text if isinstance(text, str) else text.decode()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    rules = AccessRules(failures_per_minute=10**6)
    directory = tmp_path_factory.mktemp("data")
    settings = Settings(data_dir=directory, port=claim_port("127.0.0.1", 0), access=rules)
    clock, stop = SystemClock(), threading.Event()
    tokens = {
        **{scope: new_key(directory, scope) for scope in ("write", "read", "admin", "revoked")},
        "in a page": new_key(directory, "write", origins=(SHOP,)),
        "expired": new_key(directory, "admin", expires_ms=clock.now_ms() - 1),
    }
    tokens["forged"] = tokens["admin"][:-8] + "00000000"
    tokens["nonsense"] = "a.b.c"
    server = threading.Thread(target=run_http_server, args=(settings, clock, stop))
    server.start()
    while not is_listening(settings.host, settings.port):
        assert server.is_alive()
        time.sleep(0.02)
    with httpx.Client(base_url=settings.base_url, trust_env=False, timeout=60) as client:
        event = {"userId": HIDDEN, "timestamp": 0, "eventType": "PAGE_VIEW"}
        shown = {"Authorization": f"Bearer {tokens['write']}"}
        assert client.post("/v1/import", json=event, headers=shown).is_success
        yield House(client, tokens)
    stop.set()
    server.join()


def new_key(directory: Path, scope: str, **bounds: object) -> str:
    scopes = ("admin",) if scope == "revoked" else (scope,)
    wish = KeyWish(scope, scopes, **bounds)
    path = keys_path(directory)
    made = change_keys(path, lambda ring: ring.with_new(wish, 0, token_bytes))
    if scope == "revoked":
        change_keys(path, lambda ring: (ring.with_revoked(made.key.id, 1), None))
    return made.token


def documented() -> dict[tuple[str, str], dict[str, bool]]:
    """What the page says of each address and method, by column."""
    return {
        (path, method): dict(zip(COLUMNS, (mark == "✓" for mark in marks), strict=True))
        for path, method, *marks in ROW.findall(PAGE.read_text())
    }


def asked(path: str) -> str:
    """An address with something in the place of each of its parts."""
    return re.sub(r"{\w+}", "1", path)


def test_each_route_declares_what_it_needs_and_stands_in_the_page() -> None:
    routes = list(all_routes())
    assert [f"{route.method} {route.path}" for route in routes if route.need is None] == []
    assert {(route.path, route.method) for route in routes} == documented().keys()
    writing = {route.path: route.need for route in routes if route.method not in ("GET", "HEAD")}
    assert {need for path, need in writing.items() if "basket" not in path} <= {
        *("send", "write", "admin"),
        "open",
    }


def test_who_is_let_in_is_what_the_page_says(house: House) -> None:
    wrong = []
    for (path, method), marks in documented().items():
        for column in COLUMNS:
            address, headers = shown(house, column, asked(path))
            status, text = house.status(method, address, **headers)
            # The page to log in says 401 as well, of what was typed there.
            is_refused = status in (401, 403) and "<html" not in text
            # Nothing counts what was sent, and that is told with 503.
            is_broken = status >= 500 and path != "/health/ready"
            if is_refused == marks[column] or is_broken:
                wrong.append(f"{method} {path} with {column}: {status}")
            if is_refused:
                assert HIDDEN not in text
                assert json.loads(text)["code"] in ("no_key", "wrong_scope", "foreign_page")
    assert wrong == []


def shown(house: House, column: str, path: str) -> tuple[str, dict[str, str]]:
    """The address and headers of a request as each column means it."""
    if column == "nothing":
        return path, {}
    if column == "in a page":
        return f"{path}?key={house.tokens[column]}", {"Origin": SHOP}
    return path, {"Authorization": f"Bearer {house.tokens[column]}"}


@pytest.mark.parametrize("kind", NO_KEY)
def test_a_key_that_is_not_good_opens_nothing(house: House, kind: str) -> None:
    token = house.tokens[kind]
    for (path, method), marks in documented().items():
        if marks["nothing"]:
            continue
        status, text = house.status(method, asked(path), Authorization=f"Bearer {token}")
        assert status == 401, f"{method} {path}"
        assert HIDDEN not in text


def test_a_page_of_another_origin_gets_nothing_with_any_key(house: House) -> None:
    for (path, method), marks in documented().items():
        if marks["nothing"] and marks["in a page"]:
            continue  # what pages embed
        for kind in ("in a page", "write", "admin"):
            address = f"{asked(path)}?key={house.tokens[kind]}"
            status, text = house.status(method, address, Origin=EVIL)
            assert status == 403, f"{method} {path} with {kind}"
            assert HIDDEN not in text


def test_what_has_no_route_is_told_to_nobody_either(house: House) -> None:
    assert house.status("GET", "/api/nothing")[0] == 404
    assert house.status("GET", "/%2e%2e/api/ledger")[0] == 404
    for path in ("/api//ledger", "/api/ledger/", "//api/ledger", "/API/ledger", "/api/./ledger"):
        status, text = house.status("GET", path)
        assert status in (401, 404), path
        assert HIDDEN not in text
    assert house.status("HEAD", "/api/ledger")[0] == 401
