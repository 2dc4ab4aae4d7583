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
    """Stands for those in a folder: how far each has come, None before its first commit; and
    where the batch ends that comes next, if it was planned."""

    def __init__(self, **reached: dict[int, int] | None) -> None:
        self.reached = {name.replace("_", "-"): ends for name, ends in reached.items()}
        self.planned_next: dict[int, int] | None = None

    def names(self) -> list[str]:
        return sorted(self.reached)

    def delete(self, name: str) -> None:
        del self.reached[name]

    def last_done(self, name: str) -> int | None:
        return None if self.reached[name] is None else 0

    def last_planned(self, name: str) -> int:  # noqa: ARG002 - as the real one
        return 0 if self.planned_next is None else 1

    def planned(self, name: str, batch: int) -> PlannedBatch:
        ends = self.planned_next if batch else self.reached[name]
        return PlannedBatch(ends or {})


def test_the_first_checkpoint_starts_where_ids_must_be_remembered_from() -> None:
    continuation = continuation_of(Checkpoints(), POSITION, "f")
    assert (continuation.checkpoint, continuation.filled_from) == ("000001-f", {0: 4, 1: 5})


@pytest.mark.parametrize(
    ("reached", "planned", "fits"),
    [
        ({0: 10, 1: 20}, None, True),
        # The next batch was planned before, and ends where the store stands or later.
        ({0: 4, 1: 19}, {0: 10, 1: 20}, True),
        ({0: 4, 1: 19}, {0: 99, 1: 99}, True),
        # One more batch, and partition 0 would be counted while ids of partition 1 are missing.
        ({0: 4, 1: 19}, None, False),
        ({0: 4, 1: 19}, {0: 99, 1: 19}, False),
        ({0: 11, 1: 20}, None, False),
        ({0: 3, 1: 20}, {0: 99, 1: 99}, False),
        ({0: 10, 1: 20, 2: 0}, None, False),
        (None, None, False),
    ],
)
def test_a_checkpoint_must_not_be_ahead_of_the_store_nor_more_than_a_batch_behind(
    reached, planned, fits
) -> None:
    checkpoints = Checkpoints(**{"000001_f": reached})
    checkpoints.planned_next = planned
    continuation = continuation_of(checkpoints, POSITION, "f")
    assert continuation.is_new != fits
    assert continuation.filled_from == (reached if fits else POSITION.remembered_from)
    assert continuation.checkpoint == ("000001-f" if fits else "000002-f")


def test_an_index_of_another_kind_is_not_gone_on_with_and_old_ones_go() -> None:
    checkpoints = Checkpoints(**{"000001_f": {0: 10}, "000002_g": {0: 10}})
    assert continuation_of(checkpoints, POSITION, "f").checkpoint == "000003-f"
    assert checkpoints.names() == ["000002-g"]


def test_the_fingerprint_changes_with_what_the_index_hangs_on_and_none_of_before_is_resumed() -> (
    None
):
    """The log, and the window that its times are laid out by."""
    before = hashlib.sha256(b"2|a|t|16").hexdigest()[:16]
    prints = {
        state_fingerprint(log_id, topic, window_ms)
        for log_id in "ab"
        for topic in "tu"
        for window_ms in (1, 2)
    }
    assert len(prints | {before}) == 9
    checkpoints = Checkpoints(**{f"000001_{before}": {0: 10, 1: 20}})
    continuation = continuation_of(checkpoints, POSITION, state_fingerprint("a", "t", 1))
    assert continuation.is_new
    assert continuation.filled_from == POSITION.remembered_from


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
