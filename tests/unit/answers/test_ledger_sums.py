"""The ledger of a time, added up."""

from collections.abc import Callable

import pytest

from rtcdp.answers import ledger_sums
from rtcdp.answers.freshness import Installation
from rtcdp.answers.ledger import LedgerQuestion, ledger_page
from rtcdp.answers.ledger_sums import LedgerSumsQuestion
from rtcdp.testing.driver import Driver

MINUTE_MS = 60_000
MakeInstallation = Callable[..., Installation]


@pytest.fixture
def installation(driver: Driver, make_installation: MakeInstallation) -> Installation:
    """Four records in three minutes: of one source two and a copy, of another something else."""
    for minute, source in enumerate(("web", "web", "app")):
        event = {"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms}
        driver.feed({**event, "eventId": str(minute)}, source=source)
        driver.process()
        driver.advance(seconds=60)
    driver.feed({**event, "eventId": "2"}, source="app")
    driver.process()
    return make_installation()


def test_sources_are_the_sums_of_the_ledgers_minutes(installation: Installation) -> None:
    sums = ledger_sums.ledger_sums(installation, LedgerSumsQuestion())
    told = {each.source: (each.received, each.admitted, each.duplicate) for each in sums.sources}
    assert told == {"web": (2, 2, 0), "app": (2, 1, 1)}
    items = ledger_page(installation, LedgerQuestion()).items
    assert sum(each.received for each in items) == sum(each.received for each in sums.sources)
    assert sums.totals == ledger_page(installation, LedgerQuestion()).totals


def test_stretches_tell_what_came_in_when(installation: Installation) -> None:
    sums = ledger_sums.ledger_sums(installation, LedgerSumsQuestion())
    assert sums.stretch_ms == MINUTE_MS
    assert [(each.start[11:16], each.received) for each in sums.stretches] == [
        *(("00:00", 1), ("00:01", 1), ("00:02", 1), ("00:03", 1))
    ]


def test_stretches_are_as_long_as_they_have_to_be(installation: Installation) -> None:
    sums = ledger_sums.ledger_sums(installation, LedgerSumsQuestion(buckets=3))
    assert (sums.stretch_ms, [each.received for each in sums.stretches]) == (5 * MINUTE_MS, [4])
    of_a_day = LedgerSumsQuestion(start_from=installation.clock.now_ms() - 1440 * MINUTE_MS)
    sums = ledger_sums.ledger_sums(installation, of_a_day)
    assert (sums.stretch_ms, [each.received for each in sums.stretches]) == (15 * MINUTE_MS, [4])


def test_a_time_is_from_a_minute_up_to_another(installation: Installation) -> None:
    start = installation.clock.now_ms() - 2 * MINUTE_MS
    asked = LedgerSumsQuestion(start_from=start, start_to=start + MINUTE_MS)
    sums = ledger_sums.ledger_sums(installation, asked)
    assert [(each.source, each.received) for each in sums.sources] == [("web", 1)]
    assert sums.totals.received == 4


def test_how_far_the_state_is_stands_beside(installation: Installation) -> None:
    sums = ledger_sums.ledger_sums(installation, LedgerSumsQuestion())
    assert (sums.epoch, sums.engine) == (4, "native")
    assert sums.watermark == "2025-12-31T23:53:00.000Z"


def test_more_minutes_than_are_looked_at_are_said(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_sums, "_SLICE", 1)
    assert ledger_sums.ledger_sums(installation, LedgerSumsQuestion()).counted_from is None
    monkeypatch.setattr(ledger_sums, "ROWS_MAX", 2)
    sums = ledger_sums.ledger_sums(installation, LedgerSumsQuestion())
    assert sums.counted_from == "2026-01-01T00:02:00.000Z"
    assert sum(each.received for each in sums.sources) == 2


def test_what_came_later_takes_no_room_from_a_time_that_is_over(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_sums, "_SLICE", 1)
    monkeypatch.setattr(ledger_sums, "ROWS_MAX", 2)
    end = installation.clock.now_ms() - MINUTE_MS
    sums = ledger_sums.ledger_sums(installation, LedgerSumsQuestion(start_to=end))
    assert [each.start[11:16] for each in sums.stretches] == ["00:00", "00:01"]


def test_nothing_is_no_source_and_no_stretch(make_installation: MakeInstallation) -> None:
    sums = ledger_sums.ledger_sums(make_installation(), LedgerSumsQuestion())
    assert (sums.sources, sums.stretches, sums.committed_at) == ([], [], None)
