"""What every answer carries."""

from collections.abc import Callable

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.answers.metrics import Catalog
from rtcdp.api.context import answer, freshness_headers, link_to_next
from rtcdp.log.contract import LogUnavailable
from rtcdp.testing.driver import Driver

AS_OF = "2026-01-01T00:00:00.000Z"


def page(lag_ms: int) -> Catalog:
    return Catalog([], as_of=AS_OF, lag_ms=lag_ms)


def test_an_answer_carries_its_freshness_and_what_else_is_given() -> None:
    headers = answer([], page(5), {"Link": "<x>"}).headers
    assert headers == {"X-As-Of": AS_OF, "X-Lag-Ms": "5", "Link": "<x>"}


def test_the_next_page_is_named_only_if_there_is_one() -> None:
    assert link_to_next("/list", None) == {}
    assert link_to_next("/list", "abc") == {"Link": '</list?cursor=abc>; rel="next"'}
    assert link_to_next("/list?limit=1", "abc") == {
        "Link": '</list?limit=1&cursor=abc>; rel="next"'
    }


@pytest.mark.parametrize(
    "path",
    [
        "/api/analytics/user/ada/page-views",
        "/api/analytics/recent-page-views",
        "/api/metrics",
        "/api/metrics/revenue",
        "/api/events",
        "/api/ledger",
        "/api/dead-letters",
        "/api/late-events",
        "/api/duplicates",
    ],
)
def test_every_list_says_how_fresh_it_is(api: TestClient[Litestar], path: str) -> None:
    headers = api.get(path).headers
    assert headers["x-as-of"] == "2026-01-01T00:00:00.000Z"
    assert headers["x-lag-ms"] == "0"


def test_the_headers_say_both() -> None:
    assert freshness_headers(page(7)) == {
        "X-As-Of": AS_OF,
        "X-Lag-Ms": "7",
    }
    assert freshness_headers(Catalog([], as_of=None, lag_ms=0)) == {"X-Lag-Ms": "0"}


def test_a_warning_fits_into_a_header() -> None:
    [header] = freshness_headers(
        Catalog([], as_of=None, lag_ms=None, warning="käse\n" + "x" * 1000)
    ).values()
    assert header.isascii()
    assert header.isprintable()
    assert len(header) == 500


def test_what_only_the_store_is_needed_for_is_answered_while_the_log_is_away(
    make_api: Callable[..., TestClient[Litestar]], driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.feed({"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms})
    driver.process()
    api = make_api()

    def fail(*_: object) -> None:
        raise LogUnavailable("no broker answers")

    monkeypatch.setattr(driver.log, "extent", fail)
    for address in ("ledger", "metrics", "metrics/revenue", "duplicates", "dead-letters"):
        answer = api.get(f"/api/{address}")
        assert answer.status_code == 200
        found = answer.json()
        assert (found["as_of"], found["lag_ms"]) == (None, None)
        assert found["warning"] == "no broker answers"
        assert answer.headers["x-freshness-warning"] == "no broker answers"
        assert "x-lag-ms" not in answer.headers
    assert api.get("/api/ledger").json()["totals"]["received"] == 1
    assert api.get("/api/analytics/recent-page-views").status_code == 200
    refused = api.get("/api/events")
    assert (refused.status_code, "no broker answers" in refused.json()["detail"]) == (503, True)
    assert "rtcdp_received_records_total 1.0" in api.get("/metrics").text
    ready = api.get("/health/ready")
    assert (ready.status_code, ready.json()["parts"]["log"]) == (503, "no broker answers")
