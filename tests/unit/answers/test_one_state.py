"""Several answers of one state of the store."""

from collections.abc import Callable

from rtcdp.answers.freshness import Installation
from rtcdp.answers.ledger import LedgerQuestion, ledger_page
from rtcdp.answers.one_state import one_state
from rtcdp.testing.driver import Driver


def received(installation: Installation) -> int:
    return ledger_page(installation, LedgerQuestion()).totals.received


def test_what_is_counted_meanwhile_is_in_none_of_them(
    driver: Driver, make_installation: Callable[..., Installation]
) -> None:
    installation = make_installation()
    with one_state(installation) as still:
        assert received(still) == 0
        driver.feed({"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms})
        driver.process()
        assert received(still) == 0
        assert received(installation) == 1
    assert received(installation) == 1


def test_all_else_is_the_stores(make_installation: Callable[..., Installation]) -> None:
    installation = make_installation()
    with one_state(installation) as still:
        assert still.store.backfill_offsets == installation.store.backfill_offsets
