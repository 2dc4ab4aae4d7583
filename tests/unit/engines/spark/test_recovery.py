"""Which checkpoint is gone on with, and where a new one starts."""

import hashlib

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.engines.spark.checkpoint import PlannedBatch
from rtcdp.engines.spark.recovery import (
    Position,
    continuation_of,
    passed_over,
    position_in,
    state_fingerprint,
)
from rtcdp.log.contract import Delivery
from rtcdp.store import Progress
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog
from tests.unit.engines.spark.local_query import LocalQuery, Message, Topic
from tests.unit.engines.spark.test_counting import BY_USER, START_MS, event, hit

POSITION = Position(next_offsets={0: 10, 1: 20}, remembered_from={0: 4, 1: 5})


class Checkpoints:
    """Stands for those in a folder: how far each has come, None before its first commit."""

    def __init__(self, **reached: dict[int, int] | None) -> None:
        self.reached = {name.replace("_", "-"): ends for name, ends in reached.items()}

    def names(self) -> list[str]:
        return sorted(self.reached)

    def delete(self, name: str) -> None:
        del self.reached[name]

    def last_done(self, name: str) -> int | None:
        return None if self.reached[name] is None else 0

    def planned(self, name: str, batch: int) -> PlannedBatch:
        assert batch == 0
        return PlannedBatch(self.reached[name] or {})


def test_the_first_checkpoint_starts_where_ids_must_be_remembered_from() -> None:
    continuation = continuation_of(Checkpoints(), POSITION, "f")
    assert (continuation.checkpoint, continuation.starts) == ("000001-f", {0: 4, 1: 5})


@pytest.mark.parametrize(
    ("reached", "fits"),
    [
        ({0: 10, 1: 20}, True),
        ({0: 4, 1: 19}, True),
        ({0: 11, 1: 20}, False),
        ({0: 3, 1: 20}, False),
        ({0: 10, 1: 20, 2: 0}, False),
        (None, False),
    ],
)
def test_a_checkpoint_must_not_be_ahead_of_the_store_nor_far_behind(reached, fits) -> None:
    continuation = continuation_of(Checkpoints(**{"000001_f": reached}), POSITION, "f")
    assert continuation.is_new != fits
    assert continuation.starts == (reached if fits else POSITION.remembered_from)
    assert continuation.checkpoint == ("000001-f" if fits else "000002-f")


def test_an_index_of_another_kind_is_not_gone_on_with_and_old_ones_go() -> None:
    checkpoints = Checkpoints(**{"000001_f": {0: 10}, "000002_g": {0: 10}})
    assert continuation_of(checkpoints, POSITION, "f").checkpoint == "000003-f"
    assert checkpoints.names() == ["000002-g"]


def test_the_fingerprint_changes_with_the_log_and_is_not_that_of_the_index_of_before() -> None:
    """The first kind of index knew no last intake times: none of its checkpoints is resumed."""
    before = hashlib.sha256(b"1|a|t|3600000").hexdigest()[:16]
    prints = {state_fingerprint("a", "t"), state_fingerprint("b", "t"), state_fingerprint("a", "u")}
    assert len(prints | {before}) == 4
    checkpoints = Checkpoints(**{f"000001_{before}": {0: 10, 1: 20}})
    continuation = continuation_of(checkpoints, POSITION, state_fingerprint("a", "t"))
    assert continuation.is_new
    assert continuation.starts == POSITION.remembered_from


@pytest.mark.parametrize(
    ("progress", "remembered_from"),
    [
        (Progress(3, {0: 3}, remembered_from={0: 2}), {0: 2, 1: 0}),
        (Progress(3, {0: 3}), {0: 0, 1: 0}),
        (Progress(3, {0: 3}, decided_from={0: 1}), {0: 1, 1: 0}),
        (Progress(3, {0: 1}, remembered_from={0: 2}), {0: 1, 1: 0}),
    ],
)
def test_ids_are_remembered_from_where_the_store_says(progress, remembered_from) -> None:
    """By no time at all: records of 1970, or a very long window, are no offsets."""
    log = MemoryLog(partitions=2)
    for received_at in (1, 2, 3):
        log.append([Delivery(b"{}\n", 1, received_at)])
    position = position_in(log, progress)
    assert position.next_offsets == {**progress.next_offsets, 1: 0}
    assert position.remembered_from == remembered_from


def test_what_was_decided_without_its_id_is_passed_over(tmp_path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    topic = Topic()
    late = Message(event("l", 0), START_MS + 3_600_000)
    topic.send(hit("a", 0), hit("a", 0), late, Message(b"{", START_MS), hit("b", 1))
    LocalQuery(topic, store, [BY_USER], AdmissionRules()).run()
    assert passed_over(store, {0: 0}, {0: 5})[0].tolist() == [2, 3]
    assert passed_over(store, {0: 3}, {0: 5})[0].tolist() == [3]
    assert passed_over(store, {0: 5, 1: 0}, {0: 5}) == {}
    store.close()
