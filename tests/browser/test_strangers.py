"""Pages of strangers, in a real browser on the machine where the platform runs."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page

UP_FLAGS = ["--no-generate"]

PURCHASE = '{"userId":"victim","timestamp":0,"eventType":"PURCHASE","value":1000}'

BEACON = """([url, event]) => navigator.sendBeacon(url, new Blob([event], {type: "text/plain"}))"""
NO_CORS = """([url, event]) =>
  fetch(url, {method: "POST", mode: "no-cors", body: event}).then((answer) => answer.type)"""
FORM = """([url, event]) => {
  const form = Object.assign(document.createElement("form"), {method: "post", action: url});
  form.enctype = "text/plain";
  form.append(Object.assign(document.createElement("input"), {name: event, value: ""}));
  document.body.append(form);
  form.submit();
}"""
READ = """(url) => fetch(url).then((answer) => answer.text(), (error) => String(error))"""


class Stranger(BaseHTTPRequestHandler):
    """A page with nothing on it, for whatever name it is asked by."""

    def do_GET(self) -> None:
        page = b"<!doctype html><title>a stranger</title><p>hello</p>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def stranger() -> Iterator[str]:
    """Where a stranger's page is, by a name that the browser takes to this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://evil.test:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("send", [BEACON, NO_CORS, FORM], ids=["beacon", "no-cors", "form"])
def test_the_page_of_a_stranger_writes_nothing(page: Page, platform, stranger, send) -> None:
    before = platform.ledger()
    page.goto(stranger)
    with page.expect_response("**/v1/import") as answered:
        page.evaluate(send, [f"{platform.url}/v1/import", PURCHASE])
    assert answered.value.status == 403
    assert platform.ledger() == before


def test_the_page_of_a_stranger_reads_nothing(page: Page, platform, stranger) -> None:
    platform.send({"userId": "a secret", "eventType": "PAGE_VIEW"})
    page.goto(stranger)
    text = page.evaluate(READ, f"{platform.url}/api/events")
    assert "Failed to fetch" in text


def test_a_name_that_was_bent_to_this_machine_reads_nothing(page: Page, platform) -> None:
    platform.send({"userId": "a secret", "eventType": "PAGE_VIEW"})
    bent = platform.url.replace("127.0.0.1", "evil.test")
    answer = page.goto(f"{bent}/api/events")
    assert answer.status == 421
    text = page.evaluate(READ, f"{bent}/api/events")
    assert "a secret" not in text
    assert "unknown_host" in text


def test_a_name_that_was_bent_to_this_machine_writes_nothing(page: Page, platform) -> None:
    before = platform.ledger()
    bent = platform.url.replace("127.0.0.1", "evil.test")
    page.goto(f"{bent}/")
    with page.expect_response("**/v1/import") as answered:
        page.evaluate(BEACON, [f"{bent}/v1/import", PURCHASE])
    assert answered.value.status == 421
    assert platform.ledger() == before


def test_a_link_of_a_stranger_may_be_followed(page: Page, platform, stranger) -> None:
    page.goto(stranger)
    page.evaluate("(url) => location.assign(url)", f"{platform.url}/docs")
    page.wait_for_url(f"{platform.url}/docs")
    assert "rtcdp" in page.title()


def test_our_own_page_reads_and_writes(page: Page, platform) -> None:
    for url in (platform.url, platform.url.replace("127.0.0.1", "localhost")):
        before = platform.ledger()["received"]
        page.goto(url)
        assert '"totals"' in page.evaluate(READ, f"{url}/api/ledger")
        with page.expect_response("**/v1/events") as answered:
            page.evaluate(BEACON, [f"{url}/v1/events", PURCHASE])
        assert answered.value.status == 200
        assert platform.ledger()["received"] == before + 1
