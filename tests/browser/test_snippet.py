"""What a page of another origin sends with the script that it embeds, in a real browser."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from rtcdp.access.key_file import change_keys, keys_path
from rtcdp.access.keys import KeyWish

UP_FLAGS = ["--no-generate"]
PATIENCE_S = 30

SHOP = """<!doctype html><title>a shop</title>
<button data-rtcdp="ADD_TO_CART" data-rtcdp-product="p-1" data-rtcdp-value="9.5"><b>Buy</b></button>
<script src="{script}" data-key="{key}" {more}></script>"""


class Shop(BaseHTTPRequestHandler):
    """Pages that embed the script; `more` in their address are further attributes."""

    script = key = ""

    def do_GET(self) -> None:
        more = parse_qs(urlsplit(self.path).query).get("more", [""])[0]
        page = SHOP.format(script=self.script, key=self.key, more=more).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class House:
    """The platform, with a key that reads it, and the shop's address."""

    def __init__(self, url: str, shop: str, token: str) -> None:
        self.shop = shop
        shown = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url, headers=shown, timeout=60)

    def events(self) -> list[dict]:
        """Each event once: a page that is left while it sends sends again, with the same id."""
        items = self._client.get("/api/events?limit=1000").raise_for_status().json()["items"]
        return list({item["event"]["eventId"]: item["event"] for item in items}.values())

    def wait_for(self, is_there: Callable[[list[dict]], bool]) -> list[dict]:
        deadline = time.monotonic() + PATIENCE_S
        while not is_there(found := self.events()):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def received(self) -> int:
        totals = self._client.get("/api/ledger").raise_for_status().json()["totals"]
        assert totals["duplicate"] == totals["received"] - totals["admitted"]
        return totals["admitted"]

    def sources(self) -> set[str]:
        return {item["source"] for item in self._client.get("/api/ledger").json()["items"]}

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def house(platform) -> Iterator[House]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    shop = f"http://shop.test:{server.server_address[1]}"
    wishes = (
        KeyWish("the shop's pages", ("write",), sources=("web",), origins=(shop,)),
        KeyWish("this test", ("read",)),
    )
    tokens = [
        change_keys(
            keys_path(platform.data_dir),
            lambda ring, wish=wish: ring.with_new(wish, 0, secrets.token_bytes),
        ).token
        for wish in wishes
    ]
    Shop.script, Shop.key = f"{platform.url}/js/rtcdp.js", tokens[0]
    time.sleep(0.3)
    house = House(platform.url, shop, tokens[1])
    yield house
    house.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def of(user: str) -> Callable[[list[dict]], list[dict]]:
    return lambda events: [event for event in events if event["userId"] == user]


def test_views_moves_and_clicks_arrive_and_nothing_is_kept_in_the_browser(
    house: House, page: Page
) -> None:
    page.goto(f"{house.shop}/a#top")
    page.evaluate("history.pushState({}, '', '/b')")
    page.evaluate("history.replaceState({}, '', '/b#here')")
    page.evaluate("history.back()")
    page.click("b")
    page.evaluate("rtcdp.track('SEARCH', {properties: {query: 'shoes'}})")
    found = house.wait_for(lambda events: len(events) >= 5)
    told = [(e["eventType"], e["pageUrl"].removeprefix(house.shop)) for e in found]
    views = [("PAGE_VIEW", "/a"), ("PAGE_VIEW", "/b"), ("PAGE_VIEW", "/a")]
    assert sorted(told) == sorted([*views, ("ADD_TO_CART", "/a"), ("SEARCH", "/a")])
    (click,) = [event for event in found if event["eventType"] == "ADD_TO_CART"]
    assert (click["productId"], click["value"]) == ("p-1", 9.5)
    assert len({event["userId"] for event in found}) == 1
    assert len({event["eventId"] for event in found}) == 5
    assert house.sources() == {"web"}
    assert page.context.cookies() == []
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


def test_what_happens_last_goes_in_a_beacon(house: House, page: Page) -> None:
    page.route("**/v1/events*", only("ping"))
    page.goto(f"{house.shop}/?more=data-user=leaver")
    page.evaluate("rtcdp.track('PURCHASE', {value: 5}); location.assign('about:blank')")
    found = house.wait_for(lambda events: len(of("leaver")(events)) == 2)
    assert {event["eventType"] for event in of("leaver")(found)} == {"PAGE_VIEW", "PURCHASE"}


def only(kind: str) -> Callable[[Route], None]:
    """Lets requests of this kind through; others never arrive."""
    return lambda route: route.continue_() if route.request.resource_type == kind else route.abort()


def test_what_was_not_answered_is_sent_again_and_counts_once(house: House, page: Page) -> None:
    tries: list[str] = []

    def fail_at_first(route: Route) -> None:
        tries.append(route.request.post_data or "")
        if len(tries) == 1:
            route.fetch()  # it arrives, and its answer doesn't
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/events*", fail_at_first)
    before = house.received()
    page.goto(f"{house.shop}/?more=data-user=unlucky")
    deadline = time.monotonic() + PATIENCE_S
    while len(tries) < 2:
        assert time.monotonic() < deadline, tries
        page.wait_for_timeout(50)
    assert tries[0] == tries[1]
    house.wait_for(lambda events: len(of("unlucky")(events)) >= 1)
    assert house.received() == before + 1


def test_who_does_not_want_it_is_let_alone(house: House, browser: Browser) -> None:
    context = browser.new_context()
    context.add_init_script("Object.defineProperty(navigator, 'doNotTrack', {value: '1'})")
    page, sent = context.new_page(), []
    page.on("request", lambda request: sent.append(request.url))
    page.goto(f"{house.shop}/")
    page.evaluate("rtcdp.consent(true); rtcdp.track('SEARCH')")
    page.wait_for_timeout(200)
    page.goto("about:blank")
    context.close()
    assert [url for url in sent if "/v1/events" in url] == []


def test_nothing_is_sent_before_somebody_agrees(house: House, page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.goto(f"{house.shop}/?more=data-consent=required data-user=careful")
    page.wait_for_timeout(200)
    assert [url for url in sent if "/v1/events" in url] == []
    page.evaluate("rtcdp.consent(true)")
    house.wait_for(lambda events: len(of("careful")(events)) == 1)
    page.evaluate("rtcdp.consent(false); rtcdp.track('SEARCH')")
    page.wait_for_timeout(200)
    assert len(of("careful")(house.events())) == 1


def test_a_page_of_another_origin_sends_nothing_with_the_shops_key(
    house: House, page: Page
) -> None:
    # The browser keeps the answer, a 403 without CORS headers, from the page and from this test.
    with page.expect_event("requestfailed", lambda each: "/v1/events" in each.url) as failed:
        page.goto(f"{house.shop.replace('shop.test', 'evil.test')}/?more=data-user=evil")
    assert "evil" in (failed.value.post_data or "")
    assert of("evil")(house.events()) == []


def test_who_comes_back_is_known_where_the_page_says_so(house: House, page: Page) -> None:
    for _ in range(2):
        page.goto(f"{house.shop}/kept?more=data-visitor=tab")
    kept = page.evaluate("sessionStorage.getItem('rtcdp')")
    found = house.wait_for(lambda events: len(of(kept)(events)) == 2)
    assert kept.startswith("anon-")
    assert of(kept)(found)
