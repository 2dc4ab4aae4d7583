"""The ledger, asked without HTTP; tests/unit/api/test_ledger.py asks it over HTTP."""

from collections.abc import Callable

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.answers.ledger import LedgerQuestion, ledger_page
from rtcdp.errors import BadRequest
from rtcdp.testing.driver import Driver

MakeInstallation = Callable[..., Installation]


@pytest.fixture
def installation(driver: Driver, make_installation: MakeInstallation) -> Installation:
    """Three records: two of one source, one of another, in three minutes."""
    for minute, source in enumerate(("web", "web", "app")):
        event = {"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms}
        driver.feed({**event, "eventId": str(minute)}, source=source)
        driver.process()
        driver.advance(seconds=60)
    return make_installation()


def test_pages_of_one_item_are_the_whole_ledger(installation: Installation) -> None:
    whole = ledger_page(installation, LedgerQuestion())
    page, found = ledger_page(installation, LedgerQuestion(limit=1)), []
    while page.next_cursor is not None:
        found += page.items
        page = ledger_page(installation, LedgerQuestion(limit=1, cursor=page.next_cursor))
    assert [*found, *page.items] == whole.items
    assert [item.source for item in whole.items] == ["app", "web", "web"]
    assert sum(item.received for item in whole.items) == whole.totals.received == 3


def test_items_begin_where_the_question_says(installation: Installation) -> None:
    (item,) = ledger_page(installation, LedgerQuestion(since=60_000)).items
    assert (item.source, item.minute) == ("app", "2026-01-01T00:02:00.000Z")


def test_a_cursor_of_another_list_is_refused(installation: Installation) -> None:
    with pytest.raises(BadRequest, match="cursor does not belong"):
        ledger_page(installation, LedgerQuestion(cursor="WzFd"))
