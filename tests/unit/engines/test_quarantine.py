"""Finding the records that make the processor fail."""

from pathlib import Path

import polars as pl
import pytest

from rtcdp.engines.quarantine import (
    MESSAGE_CHARACTERS_MAX,
    REASON,
    halves,
    is_fault_of_a_record,
    places_left_out,
    rejection_for,
)
from rtcdp.log.contract import Delivery, LogUnavailable, Records
from rtcdp.store import EpochRefused, LeaseLost, RowsRefused, StoreUnavailable
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker
from rtcdp.testing.memory_log import MemoryLog


@pytest.mark.parametrize(
    "error", [ValueError("x"), pl.exceptions.ComputeError("x"), RowsRefused("x"), MemoryError()]
)
def test_these_can_be_the_fault_of_a_record(error: Exception) -> None:
    assert is_fault_of_a_record(error)


@pytest.mark.parametrize("kind", [StoreUnavailable, LogUnavailable, EpochRefused, LeaseLost])
def test_these_are_nobodys_fault_among_the_records(kind: type[Exception]) -> None:
    assert not is_fault_of_a_record(kind("x"))


def test_the_reason_says_what_happened_and_not_more_than_fits() -> None:
    rejection = rejection_for(ValueError("x" * 1000))
    assert (rejection.reason, rejection.step) == (REASON, "count")
    assert rejection.message.startswith("ValueError: xxx")
    assert len(rejection.message) == MESSAGE_CHARACTERS_MAX


def places(pieces: tuple[Records, ...]) -> list[tuple[int, int]]:
    return [(record.partition, record.offset) for piece in pieces for record in piece.each()]


@pytest.mark.parametrize("sizes", [(2,), (3,), (1, 1), (1, 5), (5, 1), (0, 2), (1, 0, 4), (7, 8)])
def test_halves_are_all_records_in_order_and_span_the_same_offsets(sizes: tuple[int, ...]) -> None:
    log = MemoryLog(partitions=len(sizes))
    for partition, size in enumerate(sizes):
        bad = ((0, b"nonsense"),) if size else ()
        log.append(
            [Delivery(b"1\n" * (size - len(bad)), size - len(bad), 0, rejects=bad)], partition
        )
        log.leave_out(2, partition)
    pieces = tuple(log.read(partition, 0, 10**6) for partition in log.partitions())
    first, second = halves(pieces)
    assert places(first) + places(second) == places(pieces)
    assert len(places(first)) == sum(sizes) // 2
    spans = [
        (piece.partition, piece.first_offset, piece.next_offset) for piece in (*first, *second)
    ]
    reached = dict.fromkeys(log.partitions(), 0)
    for partition, start, end in spans:
        assert reached[partition] == start < end
        reached[partition] = end
    assert reached == {partition: size + 2 for partition, size in enumerate(sizes)}


def test_halves_of_pieces_that_take_turns_cut_each_partition_once() -> None:
    log = MemoryLog(lambda: 2, partitions=2)
    for received_at in (9_000, 9_000, 5_000):
        for partition in log.partitions():
            log.append([Delivery(b"1\n" * 2, 2, received_at + partition)], partition)
    pieces = tuple(
        log.read(partition, offset, 10**6) for offset in (0, 2, 4) for partition in (1, 0)
    )
    first, second = halves(pieces)
    assert sorted(places(first)) == [(0, offset) for offset in range(6)]
    assert sorted(places(second)) == [(1, offset) for offset in range(6)]


def test_the_store_knows_who_was_left_out(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    store.prepare([])
    left_out = [{"reason": REASON, "step": "count", "message": "m"} for _ in range(3)]
    others = [{"reason": "not_json", "step": "parse", "message": "m"}]
    store.commit(EpochMaker(partition=2).make(admitted=1, uncounted=[*left_out, *others]))
    assert places_left_out(store) == {(2, 1), (2, 2), (2, 3)}
    store.close()
