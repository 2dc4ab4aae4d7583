"""Whom a server lets in, from the headers that a page can't forge."""

import pytest

from rtcdp.api.door import Caller, Door, hosts_of, origins_of
from rtcdp.errors import UsageError

LOOPBACK = Door()
NETWORK = Door(is_open_to_network=True)
SHOP = Door(origins=frozenset({"https://shop.example"}))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8081",
        "localhost.:8081",
        "app.localhost:80",
        "127.0.0.1:8081",
        "127.9.9.9",
        "[::1]",
        "[::1]:8081",
    ],
)
def test_loopback_goes_by_its_own_names(host: str) -> None:
    assert LOOPBACK.concern(Caller("GET", host)) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:8081",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "notlocalhost",
        "0.0.0.0:8081",
        "192.168.1.7",
        "[::]",
        "[::1",
        "local host",
        "localhost:x",
        "",
        "@localhost",
        "user@localhost",
        "localhost/",
        "xn--lcalhost-0ib",
    ],
)
def test_loopback_goes_by_no_other_name(host: str) -> None:
    assert LOOPBACK.concern(Caller("GET", host)) is not None


@pytest.mark.parametrize("host", [None, "", "localhost,evil.test"])
def test_a_request_names_one_host(host: str | None) -> None:
    assert LOOPBACK.concern(Caller("GET", host)) == "no_host"


def test_further_names_are_a_setting() -> None:
    door = Door(hosts=hosts_of("events.example.com, RTCDP.lan"))
    assert door.concern(Caller("GET", "rtcdp.lan:8081")) is None
    assert door.concern(Caller("GET", "events.example.com")) is None
    assert door.concern(Caller("GET", "example.com")) == "unknown_host"


@pytest.mark.parametrize("host", ["192.168.1.7:8081", "[fd00::7]:8081", "rtcdp:8081", "localhost"])
def test_an_open_network_is_answered_by_address_and_by_short_name(host: str) -> None:
    assert NETWORK.concern(Caller("GET", host)) is None


def test_an_open_network_is_not_answered_by_a_name_of_the_internet() -> None:
    assert NETWORK.concern(Caller("GET", "evil.test:8081")) == "unknown_host"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_programs_that_are_no_browser_are_let_in(method: str) -> None:
    assert LOOPBACK.concern(Caller(method, "localhost:8081")) is None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8081", "http://localhost:8081"),
        ("127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("localhost", "http://localhost"),
        ("localhost", "https://localhost"),
        ("localhost:443", "https://localhost"),
        ("[::1]:8081", "http://[::1]:8081"),
    ],
)
def test_our_own_pages_may_write(host: str, origin: str) -> None:
    assert LOOPBACK.concern(Caller("POST", host, origin)) is None


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test",
        "http://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:8081",
        "null",
        "",
        "localhost:8081",
        "file://",
        "ftp://localhost:8081",
        "http://localhost:8081,http://localhost:8081",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_another_origin_may_not(method: str, origin: str) -> None:
    assert LOOPBACK.concern(Caller(method, "localhost:8081", origin)) == "foreign_page"


def test_pages_of_an_origin_that_is_a_setting_may() -> None:
    for method in ("GET", "POST"):
        caller = Caller(method, "localhost:8081", "https://shop.example", "cross-site")
        assert SHOP.concern(caller) is None
        assert LOOPBACK.concern(caller) == "foreign_page"


def test_behind_a_proxy_the_browser_knows_better_than_the_host_header() -> None:
    caller = Caller("POST", "127.0.0.1:8081", "https://rtcdp.example", "same-origin")
    assert LOOPBACK.concern(caller) is None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something-new"])
def test_what_a_foreign_page_embeds_is_refused_though_it_has_no_origin(site: str) -> None:
    caller = Caller("GET", "localhost:8081", None, site, "no-cors", "image")
    assert LOOPBACK.concern(caller) == "foreign_page"
    framed = Caller("GET", "localhost:8081", None, site, "navigate", "iframe")
    assert LOOPBACK.concern(framed) == "foreign_page"


def test_a_link_to_us_may_be_followed_from_anywhere() -> None:
    headers = ("localhost:8081", None, "cross-site", "navigate", "document")
    assert LOOPBACK.concern(Caller("GET", *headers)) is None
    assert LOOPBACK.concern(Caller("POST", *headers)) == "foreign_page"


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("", set()),
        ("https://shop.example", {"https://shop.example"}),
        (
            " HTTPS://Shop.Example:443 ,http://localhost:3000,",
            {"https://shop.example", "http://localhost:3000"},
        ),
        ("http://[::1]:3000", {"http://[::1]:3000"}),
    ],
)
def test_origins_are_written_as_browsers_send_them(written: str, known: set[str]) -> None:
    assert origins_of(written) == known


@pytest.mark.parametrize(
    "written",
    [
        "*",
        "null",
        "shop.example",
        "https://shop.example/",
        "https://",
        "ftp://x",
        "https://a:b",
        "https://a b",
        "https://*.example",
    ],
)
def test_what_is_no_origin_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(UsageError) as refused:
        origins_of(written)
    assert "https://shop.example" in refused.value.hint


@pytest.mark.parametrize("written", ["http://a", "a:80", "*", "a b", "*.a"])
def test_what_is_no_host_name_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(UsageError) as refused:
        hosts_of(written)
    assert "rtcdp.lan" in refused.value.hint
