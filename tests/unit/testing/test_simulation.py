import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import Count, Metric, tumbling
from rtcdp.engines.native.limits import StoreRetention
from rtcdp.log.limits import Retention
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.simulation import POISON, START_MS, Kept, Simulation, TwoClocks
from rtcdp.verify.judge import Verdict

METRIC = Metric("by_user", "", tumbling(minutes=1), (Count("events"),), ("userId",))
LATER = Metric("all", "", tumbling(minutes=1), (Count("events"),))


@pytest.fixture
def simulation(tmp_path: Path) -> Iterator[Simulation]:
    kept = Kept(Retention(), StoreRetention())
    simulation = Simulation(lambda: SqliteStore(tmp_path / "store.db"), kept)
    simulation.start([METRIC], AdmissionRules())
    yield simulation
    simulation.close()


def event(simulation: Simulation, user: str, **fields: object) -> bytes:
    whole = {"userId": user, "eventType": "A", "timestamp": simulation.clock.now_ms()} | fields
    return json.dumps(whole).encode()


def test_what_was_counted_is_what_the_judge_says(simulation: Simulation) -> None:
    simulation.append([event(simulation, "ada"), b"{}"])
    simulation.count()
    assert simulation.disagreements() == []
    assert simulation.verdicts() == {(0, 1): Verdict("dead_letter", "missing_field")}


def test_what_waits_is_not_missed(simulation: Simulation) -> None:
    simulation.append([event(simulation, "ada")])
    assert simulation.disagreements() == []


def test_a_failing_engine_sets_aside_what_it_fails_at(simulation: Simulation) -> None:
    simulation.faults.has_defect = True
    simulation.append([event(simulation, "ada"), event(simulation, POISON)])
    simulation.count()
    assert simulation.disagreements() == []
    assert simulation.verdicts() == {(0, 1): Verdict("dead_letter", "processor_error")}
    simulation.faults.has_defect = False
    simulation.replay_dead_letters()
    simulation.count()
    assert simulation.disagreements() == []


@pytest.mark.parametrize("after", [True, False])
def test_it_dies_at_a_commit_and_starts_again(simulation: Simulation, after: bool) -> None:
    simulation.faults.commits_until_death = 0
    simulation.faults.dies_after_commit = after
    simulation.append([event(simulation, "ada")])
    simulation.count()
    assert not simulation.is_running
    simulation.start([METRIC, LATER], AdmissionRules(allowed_lateness_ms=1))
    simulation.count()
    assert simulation.disagreements() == []


def test_a_lost_reply_is_looked_up(simulation: Simulation) -> None:
    simulation.faults.replies_to_lose = 1
    simulation.append([event(simulation, "ada")])
    simulation.count()
    assert simulation.disagreements() == []
    assert any("the reply was lost" in said for said in simulation.troubles)


def test_a_damaged_record_is_a_difference(simulation: Simulation) -> None:
    simulation.append([event(simulation, "ada")])
    simulation.count()
    simulation._order[0] = simulation._order[0]._replace(raw=b"{}")
    assert {each.about for each in simulation.disagreements()} >= {"verdict", "answer by_user"}


def test_deleting_is_earned_by_running() -> None:
    clock = TwoClocks(START_MS)
    clock.set_ahead(10**9)
    assert clock.earned_ms == START_MS
    clock.advance(1_000)
    clock.set_ahead(0)
    assert (clock.now_ms(), clock.earned_ms) == (START_MS + 1_000, START_MS + 4_000)
    assert clock.monotonic() == 1.0
