"""Where people log in."""

import secrets
from collections.abc import Iterator

import msgspec
import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from rtcdp.access.gate import Gate
from rtcdp.access.key_file import change_keys, keys_path
from rtcdp.access.keys import KeyWish
from rtcdp.access.needs import READ
from rtcdp.access.page_session import COOKIE, CSRF_COOKIE
from rtcdp.access.rules import AccessRules
from rtcdp.api.entrance import entrance
from rtcdp.api.problem import exception_handlers
from rtcdp.clock import ManualClock
from rtcdp.dashboard.login import form_of, login_routes, place_of

BROWSER = {"Accept": "text/html"}
Pages = TestClient[Litestar]


@get("/numbers", opt=READ, sync_to_thread=False)
def numbers() -> str:
    return "seven"


@pytest.fixture
def token(tmp_path) -> str:
    wish = KeyWish("<b>me</b>", ("read",))
    path = keys_path(tmp_path)
    return change_keys(path, lambda ring: ring.with_new(wish, 0, secrets.token_bytes)).token


@pytest.fixture
def pages(tmp_path, token) -> Iterator[Pages]:
    assert token, "it shuts with its first key"
    gate = Gate(tmp_path, AccessRules(), ManualClock(1_000), secrets.token_bytes)
    app = Litestar(
        [numbers, *login_routes(gate)],
        guards=[entrance(gate)],
        exception_handlers=exception_handlers,
        logging_config=None,
    )
    with TestClient(app, base_url="http://127.0.0.1:8081") as client:
        yield client


def log_in(pages: Pages, token: str, place: str = "/numbers"):
    form = {"key": f" {token}\n", "next": place}
    return pages.post("/login", data=form, follow_redirects=False)


def test_who_logs_in_comes_to_where_they_wanted_to(pages, token) -> None:
    asked = pages.get("/numbers?a=b", headers=BROWSER)
    assert "Log in" in asked.text
    assert 'name="next" value="/numbers?a=b"' in asked.text
    done = log_in(pages, token, "/numbers?a=b")
    assert (done.status_code, done.headers["location"]) == (303, "/numbers?a=b")
    kept = {each.partition("=")[0]: each for each in done.headers.get_list("set-cookie")}
    assert "HttpOnly" in kept[COOKIE]
    assert "HttpOnly" not in kept[CSRF_COOKIE]
    assert all("SameSite=strict" in each and "Path=/" in each for each in kept.values())
    assert pages.get("/numbers").text == "seven"


def test_a_key_that_is_none_is_told_where_it_was_typed(pages, token) -> None:
    wrong = log_in(pages, token[:-2] + "zz")
    assert wrong.status_code == 401
    assert 'role="alert"' in wrong.text
    assert "The key is not known. Ask whoever runs this server" in wrong.text
    assert "set-cookie" not in wrong.headers
    assert token[:-2] not in wrong.text


def test_who_is_logged_in_sees_it_and_logs_out(pages, token, tmp_path) -> None:
    log_in(pages, token)
    page = pages.get("/login").text
    assert "You are logged in" in page
    assert "&lt;b&gt;me&lt;/b&gt;" in page
    shown = pages.cookies[CSRF_COOKIE]
    assert f'name="csrf_token" value="{shown}"' in page
    assert pages.post("/logout", data={"csrf_token": "0" * 64}).status_code == 403
    assert pages.get("/numbers").text == "seven"
    pages.post("/logout", data={"csrf_token": shown})
    assert COOKIE not in pages.cookies
    assert pages.get("/numbers").status_code == 401
    noted = (tmp_path / "audit.jsonl").read_text()
    assert ["login" in noted, "logout" in noted, token in noted] == [True, True, False]


def test_logging_out_ends_the_session_wherever_its_cookie_is(pages, token) -> None:
    log_in(pages, token)
    kept = {"Cookie": f"{COOKIE}={pages.cookies[COOKIE]}"}
    pages.post("/logout", data={"csrf_token": pages.cookies[CSRF_COOKIE]})
    pages.cookies.clear()
    assert pages.get("/numbers", headers=kept).status_code == 401


def test_what_anybody_can_do_without_end_fills_no_disk(pages, token, tmp_path) -> None:
    gate = Gate(
        tmp_path, AccessRules(failures_per_minute=2), ManualClock(1_000), secrets.token_bytes
    )
    with TestClient(Litestar(login_routes(gate), logging_config=None)) as stranger:
        codes = [log_in(stranger, "wrong").status_code for _ in range(5)]
        assert codes == [401, 401, 429, 429, 429]
        for _ in range(5):
            assert stranger.post("/logout", follow_redirects=False).status_code == 303
    log_in(pages, token)
    noted = [
        msgspec.json.decode(line) for line in (tmp_path / "audit.jsonl").read_bytes().splitlines()
    ]
    assert [(each["who"].split()[0], each["action"]) for each in noted] == [
        ("somebody", "login refused: unknown_key"),
        ("somebody", "login refused: unknown_key"),
        ("key", "login"),
    ]


def test_the_page_to_log_in_is_counted(tmp_path) -> None:
    rules = AccessRules(address_requests_per_s=1)
    gate = Gate(tmp_path, rules, ManualClock(1_000), secrets.token_bytes)
    handlers = exception_handlers
    app = Litestar(login_routes(gate), exception_handlers=handlers, logging_config=None)
    with TestClient(app) as pages:
        assert [pages.get("/login").status_code for _ in range(3)] == [200, 200, 429]


def test_behind_a_proxy_that_speaks_https_cookies_are_for_tls_alone(pages, token) -> None:
    form, page = {"key": token}, {"Origin": "https://127.0.0.1:8081"}
    done = pages.post("/login", data=form, headers=page, follow_redirects=False)
    assert all("Secure" in each for each in done.headers.get_list("set-cookie"))


def test_with_tls_cookies_are_for_tls_alone(pages, token) -> None:
    pages.base_url = "https://127.0.0.1:8081"
    cookies = log_in(pages, token).headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("Secure" in each for each in cookies)


def test_where_there_are_no_keys_it_says_so(tmp_path) -> None:
    gate = Gate(tmp_path / "new", AccessRules(), ManualClock(), secrets.token_bytes)
    with TestClient(Litestar(login_routes(gate), logging_config=None)) as pages:
        answer = pages.get("/login")
    assert "No key is needed" in answer.text
    assert "rtcdp keys create" in answer.text
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "text",
    ["", "//evil.test", "/\\evil.test", "https://evil.test", "a", "/\n", "/ü", "javascript:"],
)
def test_nobody_is_led_elsewhere(text) -> None:
    assert place_of(text) == "/"


def test_a_place_of_ours_is_kept() -> None:
    assert place_of("/sessions?last=1h") == "/sessions?last=1h"


@pytest.mark.parametrize("body", [b"\xff=1", b"key=" + b"x" * 5_000, b"a=1&" * 9 + b"key=2"])
def test_what_is_no_form_has_no_fields(body) -> None:
    assert form_of(body) == {}


def test_what_is_said_twice_is_not_guessed_at(pages, token) -> None:
    asked = pages.get("/login?next=/a&next=/b")
    sent = pages.post("/login", content=f"key={token}&key=rtcdp_r_1&next=/")
    for answer, name in ((asked, "next"), (sent, "key")):
        assert (answer.status_code, answer.json()["hint"]) == (400, "send it once")
        assert answer.json()["detail"] == f"{name} is there twice"
