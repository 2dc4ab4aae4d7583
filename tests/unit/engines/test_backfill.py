"""The rules of a backfill, whoever computes its steps."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rtcdp.definitions import Count, Metric, tumbling
from rtcdp.engines.backfill import Step, fill_metrics
from rtcdp.engines.commit import Listeners
from rtcdp.log.contract import Delivery
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000
OLD = Metric("old", "t", tumbling(minutes=1), (Count("n"),))
NEW = Metric("new", "t", tumbling(minutes=1), (Count("n"),))


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    log.append([Delivery(b"{}\n" * 6, 6, NOW)])
    return log


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store that has counted six records without the new metric."""
    opened = SqliteStore(tmp_path / "store.db")
    opened.prepare([OLD])
    opened.commit(EpochMaker().make(admitted=6))
    opened.prepare([OLD, NEW])
    yield opened
    opened.close()


class Steps:
    """Two records a step, and what was asked for; fails before a step if told so."""

    def __init__(self, fails_at: int = -1, lost: int = 0) -> None:
        self.asked: list[tuple[str, Mapping[int, int], Mapping[int, int]]] = []
        self._fails_at, self._lost = fails_at, lost

    def __call__(
        self, metric: Metric, starts: Mapping[int, int], ends: Mapping[int, int]
    ) -> Iterator[Step]:
        self.asked.append((metric.name, starts, ends))
        for end in range(starts[0] + 2, ends[0] + 1, 2):
            if end == self._fails_at:
                raise RuntimeError("planted")
            yield Step((), {0: end}, self._lost, "here and there")


def test_only_what_is_new_is_filled_and_up_to_what_is_counted(log, store) -> None:
    steps = Steps()
    fill_metrics(log, store, [OLD, NEW], steps)
    assert steps.asked == [("new", {0: 0}, {0: 6})]
    assert store.backfill_offsets("new") is None


def test_what_was_interrupted_goes_on_after_its_last_step(log, store) -> None:
    with pytest.raises(RuntimeError):
        fill_metrics(log, store, [OLD, NEW], Steps(fails_at=6))
    assert store.backfill_offsets("new") == {0: 4}
    steps = Steps()
    fill_metrics(log, store, [OLD, NEW], steps)
    assert steps.asked == [("new", {0: 4}, {0: 6})]


def test_what_the_log_lost_is_said_and_kept(log, store) -> None:
    log.trim(3)
    said: list[str] = []
    slices: list[int] = []
    listeners = Listeners(on_slice=lambda: slices.append(1), on_trouble=said.append)
    steps = Steps(lost=7)
    fill_metrics(log, store, [OLD, NEW], steps, listeners)
    assert steps.asked == [("new", {0: 3}, {0: 6})]
    assert "is filled from offset 3 of partition 0 on" in said[0]
    assert said[1] == (
        "metric new misses 7 records that the other metrics have counted, here and there"
    )
    assert len(slices) == 1
    with store.snapshot() as snapshot:
        assert snapshot.complete_from("new") == NOW + 300_001
