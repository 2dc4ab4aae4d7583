"""Of a backlog, the next batch is folded while the last one is being committed."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Fold, Metric, tables_of, tumbling
from rtcdp.engines.native import processor as processing
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.engines.native.processor import Processor
from rtcdp.folds.sessions import Sessions
from rtcdp.log.contract import Delivery
from rtcdp.store import Epoch, RowsGone, RowsRefused, StoreUnavailable
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog

NOW = 1_767_225_600_000
PER_USER = Metric("per_user", "t", tumbling(minutes=1), (Count("events"),), ("userId",))
VISITS = Fold("visits", "Visits", Sessions())
USERS = ("ann", "bob", "eve")
LINE = '{{"eventId":"e{0}","userId":"{1}","timestamp":{2},"eventType":"A"}}\n'


class Beside:
    """A store that does with the commit of an epoch what a test wants; else it is real."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.before_commit = lambda _epoch: None
        self.after_commit = lambda _epoch: None
        self.epochs: list[int] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def commit(self, epoch: Epoch) -> None:
        self.before_commit(epoch)
        self.store.commit(epoch)
        self.epochs.append(epoch.number)
        self.after_commit(epoch)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Beside]:
    opened = SqliteStore(tmp_path / "store.db")
    yield Beside(opened)
    opened.close()


def processor_of(store: Beside, count: int = 60) -> Processor:
    """One that finds a backlog of many batches, and a visit of each user that goes on and on."""
    log = MemoryLog()
    for first in range(0, count, 3):
        lines = [LINE.format(first + n, user, NOW + first + n) for n, user in enumerate(USERS)]
        log.append([Delivery("".join(lines).encode(), len(lines), NOW + count)])
    limits = ProcessorLimits(max_fold_batch_bytes=800, epoch_every_s=0, retry_s=0)
    clock = ManualClock(NOW + count)
    processor = Processor(log, store, [PER_USER], AdmissionRules(), clock, limits)  # type: ignore[arg-type]
    processor.folds = (VISITS,)
    return processor


def counts(store: Beside) -> list[tuple[object, ...]]:
    visits = store.store.dump(VISITS.table).select("userId", "event_count").rows()
    windows = store.store.dump(tables_of(PER_USER)[0]).select("userId", "events").rows()
    return [*visits, *windows]


def test_the_next_batch_is_folded_meanwhile(store: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    folded, fold, were_folded = threading.Semaphore(0), processing.changes_of, []

    def changes_of(*given):  # type: ignore[no-untyped-def]
        folded.release()
        return fold(*given)

    def wait_for_the_next(epoch: Epoch) -> None:
        if epoch.number < 4:
            were_folded.append(all(folded.acquire(timeout=60) for _ in range(2)))
            folded.release()

    monkeypatch.setattr(processing, "changes_of", changes_of)
    store.before_commit = wait_for_the_next
    processor_of(store).run(threading.Event(), once=True)
    assert were_folded == [True, True, True]
    assert store.epochs == sorted(store.epochs)
    assert counts(store) == [(user, 20) for user in USERS] * 2


def test_what_was_folded_on_top_of_a_refused_epoch_is_counted_once(store: Beside) -> None:
    def refuse(epoch: Epoch) -> None:
        if any("bob" in change.rows["userId"].to_list() for change in epoch.changes):
            raise RowsRefused("planted", "mend it")

    store.before_commit = refuse
    processor = processor_of(store)
    processor.run(threading.Event(), once=True)
    assert counts(store) == [("ann", 20), ("eve", 20)] * 2
    with store.store.snapshot() as snapshot:
        totals = snapshot.ledger_totals()
    assert (totals["admitted"], totals["dead_letter"], totals["duplicate"]) == (40, 20, 0)


@pytest.mark.parametrize("is_applied", [False, True])
def test_a_commit_that_is_tried_again_counts_once(store: Beside, is_applied: bool) -> None:
    chances = iter([False, True, False, False, True, True] * 50)

    def go_away(_: Epoch) -> None:
        if next(chances):
            raise StoreUnavailable("gone for now", "wait")

    if is_applied:
        store.after_commit = go_away
    else:
        store.before_commit = go_away
    said: list[str] = []
    processor = processor_of(store)
    processor.listeners = replace(processor.listeners, on_trouble=said.append)
    processor.run(threading.Event(), once=True)
    assert counts(store) == [(user, 20) for user in USERS] * 2
    assert said


def test_an_epoch_whose_rows_have_gone_is_made_anew_with_what_was_folded_on_top(
    store: Beside,
) -> None:
    chances = iter([False, True, False, True, True, False] * 50)

    def have_gone(_: Epoch) -> None:
        if next(chances):
            raise RowsGone("of 2 rows 1 are there", "they are read again")

    store.before_commit = have_gone
    said: list[str] = []
    processor = processor_of(store)
    processor.listeners = replace(processor.listeners, on_trouble=said.append)
    processor.run(threading.Event(), once=True)
    assert counts(store) == [(user, 20) for user in USERS] * 2
    assert store.epochs == list(range(1, len(store.epochs) + 1))
    assert said


def test_what_is_under_way_is_known_when_it_was_stopped(store: Beside) -> None:
    stop, processor = threading.Event(), processor_of(store)
    reported: list[int] = []

    def report(each: processing.EpochReport) -> None:
        reported.append(each.epoch)
        if each.epoch == 2:
            stop.set()

    processor.listeners = replace(processor.listeners, on_epoch=report)
    processor.run(stop)
    assert processor.progress == store.store.progress()
    assert reported == store.epochs
    assert len(reported) < 10
