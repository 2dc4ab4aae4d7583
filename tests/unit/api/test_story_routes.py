"""Stories over HTTP, word for word; `RTCDP_GOLDEN=write` writes the texts anew."""

from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from rtcdp.store.sqlite import SqliteStore
from tests.told import DAY, HOUR, MINUTE, START, Teller, visits
from tests.unit.api.test_contract import hold, shown_by

Api = TestClient[Litestar]

_FUNNEL = "/api/funnels/shop_funnel"
REQUESTS = (
    "/api/folds",
    "/api/folds?limit=1",
    "/api/folds/nothing",
    "/api/folds/page_paths?limit=2",
    "/api/folds/daily_retention?userId=ada&from=2026-01-01&to=2026-01-02",
    "/api/folds/sessions?state=closed",
    "/api/sessions?limit=2",
    "/api/sessions?userId=bob&userId=a%2Fb",
    "/api/sessions?state=open",
    "/api/sessions?state=final&limit=1",
    "/api/sessions?user=ada",
    "/api/sessions?fold=shop_funnel",
    "/api/sessions?from=2026-01-02&to=2026-01-01",
    f"/api/sessions/{START}~ada/events?limit=3",
    f"/api/sessions/{START + DAY}~a%2Fb/events",
    f"/api/sessions/{START + DAY}~a/b/events",
    f"/api/sessions/{START}~bob/events",
    "/api/sessions/ada/events",
    "/api/sessions/ada",
    "/api/sessions/days",
    "/api/sessions/days?tz=Europe/Berlin&limit=1",
    "/api/sessions/days?tz=Berlin",
    "/api/users/ada?limit=2",
    "/api/users/a%2Fb",
    "/api/users/nobody",
    "/api/users/a%00",
    "/api/funnels",
    _FUNNEL,
    f"{_FUNNEL}?cohort=day&tz=Europe/Berlin&limit=1",
    f"{_FUNNEL}?cohort=year",
    f"{_FUNNEL}?breakdown=each",
    f"{_FUNNEL}/people?step=cart&outcome=dropped",
    f"{_FUNNEL}/people?step=1&limit=1",
    f"{_FUNNEL}/people?step=9",
    f"{_FUNNEL}/people?cohort=day&cohort_start=2026-01-01T01:00:00Z",
    "/api/funnels/nothing",
    "/api/funnels/sessions",
    "/api/retention/daily_retention?limit=1",
    "/api/retention/daily_retention?mode=bracket&brackets=0-1,1-7",
    "/api/retention/daily_retention?brackets=0-1",
    "/api/paths/page_paths",
    "/api/paths/page_paths?limit=1&since=1d",
    "/api/paths/page_paths?limit=0",
    "/api/joins/cart_outcomes",
    "/api/joins/cart_outcomes?outcome=converted&userId=ada",
    "/api/joins/cart_outcomes?outcome=bought",
    "/api/joins/sessions",
    "/api/joins/cart_outcomes/totals?tz=Europe/Berlin",
    "/api/joins/cart_outcomes/totals?cohort=year",
    f"/api/joins/cart_outcomes/{START + 3 * MINUTE}~1~0~ada/events",
    f"/api/joins/cart_outcomes/{START}~1~0~ada/events",
    "/api/joins/cart_outcomes/ada/events",
    "/api/joins/cart_outcomes/ada",
)


@pytest.fixture
def api_of_stories(make_api, tmp_path: Path):
    store = SqliteStore(tmp_path / "told.db")
    teller = Teller(store)
    teller.tell(visits(), START + DAY + 2 * HOUR, [5, 1])
    read = teller.installation(START + DAY + 2 * HOUR + 5_000)
    yield make_api(store=store, metrics=(), clock=read.clock, log=None, folds=read.folds)
    store.close()


def test_the_answers(api_of_stories: Api) -> None:
    hold("stories.txt", "\n".join(map(shown_by(api_of_stories), REQUESTS)))


def test_the_addresses_of_lists_lead_to_as_many_people(api_of_stories: Api) -> None:
    """As a page does it: it follows the address as it came."""
    page = api_of_stories.get(f"{_FUNNEL}?cohort=hour&tz=Asia/Kolkata&since=30h").json()
    assert len(page["items"]) >= 3
    for cell in (cell for cohort in page["items"] for cell in cohort["steps"]):
        assert api_of_stories.get(cell["people_url"]).json()["count"] == cell["reached"]
        left = api_of_stories.get(f"{cell['people_url']}&outcome=dropped").json()
        assert left["count"] == cell["dropped"]


def test_what_is_not_whole_stands_in_a_header(api_of_stories: Api, tmp_path: Path) -> None:
    with_other = SqliteStore(tmp_path / "told.db")
    with_other.limit_completeness("sessions", START + HOUR)
    with_other.close()
    headers = api_of_stories.get("/api/sessions").headers
    assert headers["x-complete-from"] == "2026-01-01T01:00:00.000Z"
    assert headers["cache-control"] == "no-store"
