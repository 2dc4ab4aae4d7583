"""Which checkpoint is gone on with, and where a new one starts."""

import pytest

from rtcdp.engines.spark.checkpoint import PlannedBatch
from rtcdp.engines.spark.recovery import (
    Position,
    continuation_of,
    position_in,
    state_fingerprint,
)
from rtcdp.events.seen_ids import CLOCK_SLACK_MS
from rtcdp.log.log import Delivery
from rtcdp.testing.memory_log import MemoryLog

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
        return PlannedBatch(self.reached[name] or {}, 0)


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
    assert (continuation.starts is None) == fits
    assert continuation.checkpoint == ("000001-f" if fits else "000002-f")


def test_an_index_of_another_kind_is_not_gone_on_with_and_old_ones_go() -> None:
    checkpoints = Checkpoints(**{"000001_f": {0: 10}, "000002_g": {0: 10}})
    assert continuation_of(checkpoints, POSITION, "f").checkpoint == "000003-f"
    assert checkpoints.names() == ["000002-g"]


def test_the_fingerprint_changes_with_the_log_and_the_delay() -> None:
    prints = {
        state_fingerprint("a", "t", 1),
        state_fingerprint("b", "t", 1),
        state_fingerprint("a", "t", 2),
    }
    assert len(prints) == 3


def test_ids_are_remembered_from_a_window_before_what_comes_next() -> None:
    log = MemoryLog(partitions=2)
    now = 100 * CLOCK_SLACK_MS
    for received_at in (1, now - 500, now):
        log.append([Delivery(b"{}\n", 1, received_at)])
    position = position_in(log, {0: 3}, 1_000)
    assert position.next_offsets == {0: 3, 1: 0}
    assert position.remembered_from[1] == 0
    assert position.remembered_from[0] <= 1
