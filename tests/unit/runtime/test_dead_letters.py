from dataclasses import dataclass

import msgspec
import pytest

from rtcdp.admission.replays import replay_of
from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock
from rtcdp.engines.native.processor import Processor
from rtcdp.log.contract import Delivery
from rtcdp.runtime.dead_letters import Parts, Replayed, dead_letters_of, replay_dead_letters
from rtcdp.store import UncountedScan
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog

NOW_MS = 1_767_225_600_000
AN_HOUR_MS = 3_600_000
RULES = AdmissionRules()
ANY = UncountedScan()


@dataclass
class Installation:
    log: MemoryLog
    store: SqliteStore
    clock: ManualClock

    def take(self, *raws: bytes) -> None:
        rejects = tuple(enumerate(raws))
        self.log.append([Delivery(b"", 0, self.clock.now_ms(), rejects=rejects)])
        self.process()

    def process(self) -> None:
        processor = Processor(self.log, self.store, (), RULES, self.clock)
        processor.recover()
        processor.step()

    def replay(self, wanted: UncountedScan = ANY) -> Replayed:
        parts = Parts(self.log, self.log, self.store)
        return replay_dead_letters(parts, self.clock, RULES, wanted)

    def totals(self) -> dict[str, int]:
        with self.store.snapshot() as snapshot:
            return snapshot.ledger_totals()


@pytest.fixture
def installation(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    yield Installation(MemoryLog(), store, ManualClock(NOW_MS))
    store.close()


def ahead(**fields: object) -> bytes:
    """An event whose clock is an hour ahead: a dead letter now, and none in an hour."""
    event = {"userId": "ada", "timestamp": NOW_MS + AN_HOUR_MS, "eventType": "VIEW", **fields}
    return msgspec.json.encode(event)


def test_what_can_be_admitted_now_is_counted_once(installation):
    installation.take(ahead())
    installation.clock.advance(AN_HOUR_MS)
    assert installation.replay() == Replayed(replayed=1)
    assert installation.replay() == Replayed()
    installation.process()
    assert (installation.totals()["admitted"], installation.totals()["dead_letter"]) == (1, 1)


def test_it_is_not_late_however_old_it_is(installation):
    installation.take(ahead())
    installation.clock.advance(100 * AN_HOUR_MS)
    installation.replay()
    installation.process()
    assert installation.totals()["late"] == 0


@pytest.mark.parametrize("raw", [ahead(), ahead(eventId="e1")])
def test_a_replay_that_died_before_it_could_mark_them_counts_nothing_twice(
    installation, monkeypatch, raw
):
    installation.take(raw)
    installation.clock.advance(AN_HOUR_MS)
    with monkeypatch.context() as patch:
        patch.setattr(installation.store, "mark_replayed", lambda *_: None)
        installation.replay()
    installation.clock.advance(10 * AN_HOUR_MS)
    installation.replay()
    installation.process()
    totals = installation.totals()
    assert (totals["admitted"], totals["duplicate"]) == (1, 0)


def test_one_that_was_mended_and_not_marked_is_only_marked(installation):
    installation.take(b"nonsense", b"nonsense too")
    now_ms = installation.clock.now_ms()
    mended = msgspec.json.encode({"userId": "ada", "timestamp": now_ms, "eventType": "VIEW"})
    installation.log.append([replay_of(0, 0, "default", mended, now_ms)])
    installation.process()
    installation.clock.advance(2 * AN_HOUR_MS)
    assert installation.replay() == Replayed(replayed=1, still_dead=1)
    installation.process()
    assert installation.totals()["admitted"] == 1
    marked = [letter["replayed_at"] for letter in dead_letters_of(installation.store, ANY, 2)]
    assert marked == [None, installation.clock.now_ms()]


def test_what_would_be_a_dead_letter_again_stays_where_it_is(installation):
    installation.take(b"nonsense", ahead())
    assert installation.replay() == Replayed(still_dead=2)
    installation.process()
    assert installation.totals()["received"] == 2


def test_only_those_with_the_wanted_reason_are_replayed(installation):
    installation.take(ahead(), b"nonsense")
    installation.clock.advance(AN_HOUR_MS)
    assert installation.replay(UncountedScan(reason="not_json")) == Replayed(still_dead=1)
    assert installation.replay(UncountedScan(reason="future")) == Replayed(replayed=1)


def test_the_newest_come_first_and_no_more_than_wanted(installation):
    installation.take(b"one", b"two", b"three")
    found = dead_letters_of(installation.store, ANY, 2)
    assert [letter["raw"] for letter in found] == [b"three", b"two"]
