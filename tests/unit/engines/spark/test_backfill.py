"""What a backfill reads at a time, and what executors make of it."""

import polars as pl
import pyarrow as pa
import pytest

from rtcdp.engines.spark.backfill import ranges_between, unpacker
from rtcdp.engines.spark.folding import Unpacking
from tests.unit.engines.spark.test_decoding import batch

EVENT = b'{"userId":"%s","timestamp":5000,"eventType":"A"}'


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (100, [{0: (2, 5), 1: (0, 3)}]),
        (4, [{0: (2, 4), 1: (0, 2)}, {0: (4, 5), 1: (2, 3)}]),
        (1, [{0: (2, 3), 1: (0, 1)}, {0: (3, 4), 1: (1, 2)}, {0: (4, 5), 1: (2, 3)}]),
    ],
)
def test_partitions_are_read_a_share_at_a_time(step, expected) -> None:
    assert list(ranges_between({0: 2, 1: 0, 2: 7}, {0: 5, 1: 3, 2: 7}, step)) == expected


def test_a_partition_that_is_done_leaves_its_share_to_the_others() -> None:
    assert list(ranges_between({0: 0, 1: 0}, {0: 1, 1: 5}, 4)) == [
        {0: (0, 1), 1: (0, 2)},
        {1: (2, 5)},
    ]


class Sum:
    """Stands for an accumulator of Spark's."""

    value = 0

    def add(self, more: int) -> None:
        self.value += more


def unpacked(recorded: pl.DataFrame) -> tuple[list[str], int]:
    lost = Sum()
    unpacking = Unpacking(("userId",), ("userId",), {}, {0: (10, 14)})
    values = (EVENT % b"ann", b"no event", EVENT % b"bob", EVENT % b"cid")
    made = unpacker(unpacking, {0: recorded}, lost)
    rows = list(made(iter([batch(*values, first=10), batch(first=14)])))
    return pa.Table.from_batches(rows)["userId"].to_pylist(), lost.value


def recorded(*rows: tuple[int, str, str]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), ["offset", "verdict", "reason"], orient="row")


def test_what_is_recorded_as_not_counted_is_left_out_and_nothing_else_judged() -> None:
    dead = (11, "dead_letter", "not_json")
    assert unpacked(recorded(dead, (12, "duplicate", "duplicate"))) == (["ann", "cid"], 0)


def test_what_was_counted_and_can_t_be_read_any_more_is_said() -> None:
    assert unpacked(recorded((12, "late", "late"))) == (["ann", "cid"], 1)


def test_what_the_engine_failed_at_is_left_out() -> None:
    failed = [(each, "dead_letter", "processor_error") for each in (10, 11)]
    assert unpacked(recorded(*failed)) == (["bob", "cid"], 0)
