"""Batches with a record that can't be counted: its neighbours are, and it becomes a dead letter."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Metric, tables_of, tumbling
from rtcdp.engines.native import processor as processing
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.engines.native.processor import LEFT_OUT_IN_A_ROW_MAX, Processor
from rtcdp.log.contract import Delivery
from rtcdp.store import Epoch, RowsRefused, TableChange, UncountedScan
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000
PER_USER = Metric("per_user", "t", tumbling(minutes=1), (Count("events"),), ("userId",))
IN_ALL = Metric("in_all", "t", tumbling(minutes=1), (Count("events"),))

Fold = Callable[[Sequence[Metric], pl.DataFrame], tuple[TableChange, ...]]


def delivery(*users: str) -> Delivery:
    line = '{{"eventId":"{0}","userId":"{0}","timestamp":{1},"eventType":"A"}}\n'
    return Delivery("".join(line.format(user, NOW) for user in users).encode(), len(users), NOW)


class Installation:
    """A log with two partitions, and a store."""

    def __init__(self, directory: Path) -> None:
        self.log = MemoryLog(partitions=2)
        self.store = SqliteStore(directory / "store.db")
        self.said: list[str] = []

    def run(self, *metrics: Metric, store: object = None, max_batch_bytes: int = 10**6) -> None:
        limits = ProcessorLimits(epoch_every_s=0, max_batch_bytes=max_batch_bytes)
        processor = Processor(
            self.log,
            store or self.store,
            metrics or (PER_USER,),
            AdmissionRules(),
            ManualClock(NOW),
            limits,
        )
        processor.listeners = replace(processor.listeners, on_trouble=self.said.append)
        processor.run(threading.Event(), once=True)

    def users(self) -> list[str]:
        return self.store.dump(tables_of(PER_USER)[0])["userId"].to_list()

    def dead_letters(self) -> list[tuple[object, ...]]:
        with self.store.snapshot() as snapshot:
            found = snapshot.uncounted(UncountedScan(verdict="dead_letter", limit=1000))
        columns = ("partition", "offset", "reason", "step", "message", "raw")
        return sorted(found.select(columns).rows())

    def totals(self) -> dict[str, int]:
        with self.store.snapshot() as snapshot:
            return snapshot.ledger_totals()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    installation.store.close()


def failing_for(*users: str) -> Fold:
    """A fold with a defect: it fails for batches with an event of one of these users."""
    real = processing.changes_of

    def fold(metrics: Sequence[Metric], events: pl.DataFrame) -> tuple[TableChange, ...]:
        if len(events) and events["userId"].is_in(users).any():
            raise pl.exceptions.ComputeError("planted")
        return real(metrics, events)

    return fold


def test_the_culprit_becomes_a_dead_letter_and_its_neighbours_count(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.log.append([delivery("a", "b", "c", "bad", "d")], 0)
    installation.log.append([delivery("e", "f")], 1)
    monkeypatch.setattr(processing, "changes_of", failing_for("bad"))
    installation.run()
    assert installation.users() == ["a", "b", "c", "d", "e", "f"]
    raw = installation.log.records(0)[3].raw
    assert installation.dead_letters() == [
        (0, 3, "processor_error", "count", "ComputeError: planted", raw)
    ]
    assert any("offset 3 of partition 0" in sentence for sentence in installation.said)
    assert installation.store.progress().next_offsets == {0: 5, 1: 2}
    assert installation.totals() == {
        "received": 7,
        "admitted": 6,
        "duplicate": 0,
        "late": 0,
        "dead_letter": 1,
        "conflict": 0,
        "erased": 0,
    }


def test_ids_of_a_batch_that_failed_are_no_duplicates_when_it_is_taken_apart(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.log.append([delivery("a", "b", "a", "bad", "b")])
    monkeypatch.setattr(processing, "changes_of", failing_for("bad"))
    installation.run()
    totals = installation.totals()
    assert (totals["admitted"], totals["duplicate"], totals["dead_letter"]) == (2, 2, 1)


def test_a_record_that_can_t_be_decoded_is_found_as_well(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = processing.decode_batch

    def failing(pieces, fields, rules, erased):  # type: ignore[no-untyped-def]
        if any(b'"bad"' in piece.lines for piece in pieces):
            raise AssertionError("a line of the log is not a verified event")
        return real(pieces, fields, rules, erased)

    installation.log.append([delivery(*(f"u{n:02}" for n in range(20)), "bad")])
    monkeypatch.setattr(processing, "decode_batch", failing)
    installation.run(max_batch_bytes=500)
    assert len(installation.users()) == 20
    assert [letter[1] for letter in installation.dead_letters()] == [20]


class Refusing:
    """A store that takes no row of one user; else it is real."""

    def __init__(self, store: SqliteStore, user: str) -> None:
        self._store = store
        self._user = user

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def commit(self, epoch: Epoch) -> None:
        if any((change.rows["userId"] == self._user).any() for change in epoch.changes):
            raise RowsRefused("the table doesn't take it")
        self._store.commit(epoch)


def test_rows_that_the_store_refuses_are_found_as_well(installation: Installation) -> None:
    installation.log.append([delivery("a", "bad", "c")])
    installation.run(store=Refusing(installation.store, "bad"))
    assert installation.users() == ["a", "c"]
    assert [letter[4] for letter in installation.dead_letters()] == [
        "RowsRefused: the table doesn't take it"
    ]


def test_it_counts_once_when_it_is_sent_again_after_the_defect_is_mended(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.log.append([delivery("a", "bad")])
    with monkeypatch.context() as defect:
        defect.setattr(processing, "changes_of", failing_for("bad"))
        installation.run()
    raw = installation.log.records(0)[1].raw
    again = Delivery(b"", 0, NOW, rejects=((0, raw),), replay_of="0:1")
    installation.log.append([again])
    installation.run()
    installation.log.append([again])
    installation.run()
    assert installation.store.dump(tables_of(PER_USER)[0])["events"].to_list() == [1, 1]
    assert installation.totals()["duplicate"] == 1


def test_a_new_metric_leaves_out_what_was_left_out(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.log.append([delivery("a", "bad", "c")])
    with monkeypatch.context() as defect:
        defect.setattr(processing, "changes_of", failing_for("bad"))
        installation.run()
    installation.run(PER_USER, IN_ALL)
    assert installation.store.dump(tables_of(IN_ALL)[0])["events"].to_list() == [2]


def test_what_fails_for_every_record_is_no_record_s_fault(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(metrics: Sequence[Metric], events: pl.DataFrame) -> tuple[TableChange, ...]:
        del metrics
        if len(events):
            raise pl.exceptions.ComputeError("planted")
        return ()

    installation.log.append([delivery(*(f"u{n}" for n in range(300)))])
    monkeypatch.setattr(processing, "changes_of", failing)
    with pytest.raises(pl.exceptions.ComputeError):
        installation.run()
    assert len(installation.dead_letters()) == LEFT_OUT_IN_A_ROW_MAX
    monkeypatch.undo()
    installation.run()
    assert installation.totals()["admitted"] == 300 - LEFT_OUT_IN_A_ROW_MAX


def test_the_work_to_find_one_record_grows_with_the_logarithm(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds: list[int] = []
    fold = failing_for("bad")

    def watched(metrics: Sequence[Metric], events: pl.DataFrame) -> tuple[TableChange, ...]:
        folds.append(len(events))
        return fold(metrics, events)

    installation.log.append([delivery("bad", *(f"u{n}" for n in range(1023)))])
    monkeypatch.setattr(processing, "changes_of", watched)
    installation.run()
    assert len(folds) == 22
    assert sum(folds) <= 3 * 1024
