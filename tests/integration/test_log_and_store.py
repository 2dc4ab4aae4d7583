"""A log and a store that belong together know each other, whatever was copied where."""

import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Metric, tumbling
from rtcdp.engines.native.processor import Processor
from rtcdp.log.contract import Delivery, LogReplaced
from rtcdp.log.embedded import EmbeddedLogReader, EmbeddedLogWriter
from rtcdp.store.sqlite import SqliteStore

NOW = 1_767_225_600_000
METRIC = Metric("per_user", "t", tumbling(minutes=1), (Count("events"),), ("userId",))


def append(directory: Path, count: int, user: str, received_at: int = NOW) -> None:
    line = f'{{"userId":"{user}","timestamp":{NOW},"eventType":"A"}}\n'.encode()
    with closing(EmbeddedLogWriter(directory, ManualClock(NOW))) as writer:
        writer.append([Delivery(line * count, count, received_at)])


def process(directory: Path, store_file: Path) -> dict[str, int]:
    with closing(EmbeddedLogReader(directory)) as log, closing(SqliteStore(store_file)) as store:
        processor = Processor(log, store, (METRIC,), AdmissionRules(), ManualClock(NOW))
        processor.run(threading.Event(), once=True)
        with store.snapshot() as snapshot:
            return snapshot.ledger_totals()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def restore(copy: Path, log: Path) -> None:
    shutil.rmtree(log)
    shutil.copytree(copy, log)


@pytest.mark.parametrize("user", ["ada", "bob"])
def test_an_older_copy_of_the_log_that_grew_on_is_refused(
    tmp_path: Path, log: Path, store: Path, user: str
) -> None:
    append(log, 50, "ada")
    shutil.copytree(log, tmp_path / "copy")
    append(log, 50, "ada", NOW + 1)
    assert process(log, store)["received"] == 100
    restore(tmp_path / "copy", log)
    append(log, 100, user, NOW + 2)
    with pytest.raises(LogReplaced, match="older copy that has grown since"):
        process(log, store)


def test_the_same_log_in_another_place_is_gone_on_with(
    tmp_path: Path, log: Path, store: Path
) -> None:
    append(log, 100, "ada")
    process(log, store)
    append(log, 1, "ada")
    log.rename(tmp_path / "elsewhere")
    assert process(tmp_path / "elsewhere", store)["received"] == 101


def test_an_older_copy_of_the_store_catches_up(tmp_path: Path, log: Path, store: Path) -> None:
    append(log, 50, "ada")
    process(log, store)
    shutil.copy(store, tmp_path / "copy.db")
    append(log, 100, "bob")
    process(log, store)
    assert process(log, tmp_path / "copy.db")["received"] == 150


def _swap(log: Path, copy: Path) -> None:
    log.rename(log.with_name("counted"))
    copy.rename(log)


@pytest.mark.parametrize("swap", [_swap])
def test_a_log_that_is_exchanged_while_it_is_counted_is_refused(
    tmp_path: Path, log: Path, store: Path, swap: Callable[[Path, Path], None]
) -> None:
    append(log, 50, "ada")
    copy = tmp_path / "copy"
    shutil.copytree(log, copy)
    append(log, 50, "ada", NOW + 1)
    append(copy, 100, "bob", NOW + 2)
    stop = threading.Event()
    with closing(EmbeddedLogReader(log)) as reader, closing(SqliteStore(store)) as opened:
        processor = Processor(reader, opened, (METRIC,), AdmissionRules(), ManualClock(NOW))
        processor.listeners = replace(processor.listeners, on_epoch=lambda _: swap(log, copy))
        with pytest.raises(LogReplaced, match="older copy"):
            processor.run(stop)
        assert opened.progress().next_offsets == {0: 100}
