"""Several answers of one state of the store."""

from collections.abc import Callable

import pytest

from rtcdp.answers.freshness import Installation
from rtcdp.answers.ledger import LedgerQuestion, ledger_page
from rtcdp.answers.one_state import one_state
from rtcdp.definitions import Count, Metric, tumbling
from rtcdp.errors import UsageError
from rtcdp.testing.driver import Driver

ADDED = Metric("added", "Added", tumbling(hours=1), (Count("event_count"),))


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


def test_the_log_is_looked_at_once_and_all_of_them_are_as_fresh(
    driver: Driver, make_installation: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    installation, looks = make_installation(), []
    log = installation.log
    assert log is not None
    real = log.extent
    monkeypatch.setattr(log, "extent", lambda partition: looks.append(1) or real(partition))
    with one_state(installation) as still:
        first = ledger_page(still, LedgerQuestion())
        seen = len(looks)
        assert seen > 0
        driver.feed({"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms})
        driver.advance(seconds=10)
        again = ledger_page(still, LedgerQuestion())
        assert (again.as_of, again.lag_ms) == (first.as_of, first.lag_ms)
        assert len(looks) == seen
    assert ledger_page(installation, LedgerQuestion()).lag_ms != first.lag_ms


def test_all_else_is_the_stores(make_installation: Callable[..., Installation]) -> None:
    installation = make_installation()
    with one_state(installation) as still:
        assert still.store.progress == installation.store.progress
        with one_state(still) as same:
            assert same is still


def test_what_is_filled_once_the_state_is_taken_is_not_whole_in_it(
    driver: Driver, make_installation: Callable[..., Installation]
) -> None:
    """A backfill that ends in between is not in the snapshot."""
    installation = make_installation()
    driver.feed({"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms})
    driver.process()
    driver.store.prepare([*installation.metrics, ADDED])
    with one_state(installation) as still:
        assert received(still) == 1
        driver.store.commit_backfill(ADDED.name, [], {0: 1}, complete=True)
        assert driver.store.backfill_offsets(ADDED.name) is None
        assert still.store.backfill_offsets(ADDED.name) is not None
        assert ADDED.name in still.store.metrics()
        with pytest.raises(UsageError):
            still.store.backfill_offsets("of_later")
