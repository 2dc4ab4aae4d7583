"""What every answer carries."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.api.answer import answer, link_to_next
from rtcdp.api.freshness import Freshness


def test_an_answer_carries_its_freshness_and_what_else_is_given() -> None:
    headers = answer([], Freshness(0, 5), {"Link": "<x>"}).headers
    assert headers == {"X-As-Of": "1970-01-01T00:00:00.000Z", "X-Lag-Ms": "5", "Link": "<x>"}


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
