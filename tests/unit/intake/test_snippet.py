"""The script that pages embed: how it is served. What it does: tests/browser/test_snippet.py."""

import gzip

from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.access.needs import declared_need
from rtcdp.intake.snippet import SNIPPET_PATH, snippet_routes

LARGEST = 3_072


def test_it_is_small_open_to_all_pages_and_kept_for_an_hour() -> None:
    (handler,) = snippet_routes()
    assert declared_need(handler.opt) == "embed"
    with TestClient(Litestar([handler], logging_config=None)) as client:
        answer = client.get(SNIPPET_PATH)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["etag"].startswith('W/"')
    assert len(gzip.compress(answer.content)) <= LARGEST


def test_it_has_no_cookies_and_makes_no_markup() -> None:
    with TestClient(Litestar(snippet_routes(), logging_config=None)) as client:
        text = client.get(SNIPPET_PATH).text
    for word in ("cookie", "innerHTML", "eval(", "document.write"):
        assert word not in text
