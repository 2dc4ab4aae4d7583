"""Dead letters that are fed in again, as they came or mended."""

import threading
from collections.abc import Callable, Sequence

import msgspec
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.answers import mending
from rtcdp.answers.freshness import Installation
from rtcdp.answers.mending import Mended, MendedIntake, Mender, ReplayedPage
from rtcdp.clock import ManualClock
from rtcdp.errors import BadRequest, NotThere
from rtcdp.log.contract import Appended, Delivery
from rtcdp.runtime.dead_letters import Parts, Replayed, replay_dead_letters
from rtcdp.store import StoreUnavailable, UncountedScan
from rtcdp.testing.driver import Driver

HOUR_S = 3_600
FIRST = (0, 0)


@pytest.fixture
def mender(driver: Driver, make_installation: Callable[..., Installation]) -> Mender:
    """Its processor counts what came as soon as it did."""

    def append(deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        appended = driver.log.append(deliveries)
        driver.process()
        return appended

    return Mender(make_installation(), driver.store, MendedIntake(append))


def sent(driver: Driver, **fields: object) -> Mended:
    event = {"userId": "ada", "eventType": "SEARCH", "timestamp": driver.now_ms, **fields}
    return Mended(msgspec.json.encode(event).decode())


def take(driver: Driver, raw: bytes) -> None:
    driver.feed(raw)
    driver.process()


def totals(driver: Driver) -> dict[str, int]:
    with driver.store.snapshot() as snapshot:
        return snapshot.ledger_totals()


def refusal(mender: Mender, mended: Mended) -> str:
    with pytest.raises(BadRequest) as refused:
        mender.replay(FIRST, mended)
    return f"{refused.value}; {refused.value.hint}"


def test_a_mended_event_counts_and_its_letter_is_marked(driver: Driver, mender: Mender) -> None:
    take(driver, b'{"userId":"ada"}')
    told = mender.replay(FIRST, sent(driver))
    assert (told.outcome, told.letter.replayed_at) == ("admitted", "2026-01-01T00:00:00.000Z")
    assert (totals(driver)["admitted"], totals(driver)["dead_letter"]) == (1, 1)
    assert "fed in again at 2026-01-01" in refusal(mender, sent(driver))
    assert totals(driver)["received"] == 2


def test_as_it_came_once_the_clock_has_caught_up(driver: Driver, mender: Mender) -> None:
    ahead = sent(driver, timestamp=driver.now_ms + 1000 * HOUR_S).raw or ""
    take(driver, ahead.encode())
    assert "it would be a dead letter again: future" in refusal(mender, Mended())
    driver.advance(seconds=100 * HOUR_S)
    assert mender.replay(FIRST, Mended()).outcome == "admitted"
    assert totals(driver)["late"] == 0


@pytest.mark.parametrize("raw", ["", "{}", "[1]", '{"userId":""}'])
def test_what_would_be_a_dead_letter_again_is_not_taken(
    driver: Driver, mender: Mender, raw: str
) -> None:
    take(driver, b"what?")
    assert "dead letter again" in refusal(mender, Mended(raw))
    assert totals(driver)["received"] == 1


@pytest.mark.parametrize("raw", [b'{"eventId":"e1","userId":7}', b'{"eventId": "e1", "userId"'])
def test_it_keeps_the_event_id_that_it_came_with(
    driver: Driver, mender: Mender, raw: bytes
) -> None:
    take(driver, raw)
    for other in (sent(driver), sent(driver, eventId="e2")):
        assert "keep eventId as it came: e1" in refusal(mender, other)
    take(driver, (sent(driver, eventId="e1").raw or "").encode())
    assert mender.replay(FIRST, sent(driver, eventId="e1")).outcome == "duplicate"
    assert totals(driver)["admitted"] == 1


def test_one_without_an_event_id_gets_none_by_hand(driver: Driver, mender: Mender) -> None:
    take(driver, b"{}")
    assert "leave eventId away" in refusal(mender, sent(driver, eventId="mine"))


def test_two_at_once_and_one_that_died_before_the_mark_count_once(
    driver: Driver, mender: Mender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the letter before either marks it."""
    monkeypatch.setattr(mending, "PATIENCE_S", 0.0)
    both = threading.Barrier(2)

    def append(deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        both.wait(10)
        return driver.log.append(deliveries)

    patient = Mender(mender.installation, mender.store, MendedIntake(append))
    take(driver, b'{"userId":"ada"}')
    mended, told = sent(driver), list[ReplayedPage]()
    threads = [
        threading.Thread(target=lambda: told.append(patient.replay(FIRST, mended)))
        for _ in range(2)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.outcome for each in told] == ["waiting", "waiting"]
    driver.process()
    found = totals(driver)
    assert (found["received"], found["admitted"], found["duplicate"]) == (3, 1, 1)


def test_a_mark_that_failed_is_made_up_for_by_the_command_line(
    driver: Driver, mender: Mender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when nobody remembers the event id any more."""
    take(driver, b'{"userId":"ada"}')

    def fail(*_: object) -> None:
        raise StoreUnavailable("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(driver.store, "mark_replayed", fail)
        with pytest.raises(StoreUnavailable, match="is in the log") as failed:
            mender.replay(FIRST, sent(driver))
    assert "don't send it again: rtcdp dead-letters replay --all marks it" in failed.value.hint
    driver.advance(seconds=2 * HOUR_S)
    parts = Parts(driver.log, driver.log, driver.store)
    clock = ManualClock(driver.now_ms)
    assert replay_dead_letters(parts, clock, AdmissionRules(), UncountedScan()) == Replayed(1)
    driver.process()
    assert totals(driver)["admitted"] == 1
    assert "fed in again at" in refusal(mender, sent(driver))


@pytest.mark.parametrize("place", [(0, 0), (0, 7), (9, 0), (0, 10**40)])
def test_where_no_letter_lies_is_said(
    driver: Driver, mender: Mender, place: tuple[int, int]
) -> None:
    take(driver, (sent(driver).raw or "").encode())
    with pytest.raises(NotThere, match="no dead letter lies at"):
        mender.replay(place, Mended())
