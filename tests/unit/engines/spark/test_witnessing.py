"""Ids are forgotten by what a partition has witnessed, not by what a record says."""

import random

import numpy as np
import pytest

from rtcdp.engines.spark.slices import SliceAccount
from rtcdp.engines.spark.witnessing import RECORDS_MIN, Remembrance, witnessed_in
from rtcdp.events.seen_ids import CLOCK_SLACK_MS

WINDOW_MS = 600_000
DAY_MS = 86_400_000


def naive(times: list[int]) -> int:
    reference, witnessed = times[0], 0
    for time in times[1:]:
        if time > reference:
            witnessed += min(time - reference, 1_000)
            reference = time
        elif time < reference - CLOCK_SLACK_MS:
            reference = time
    return witnessed


@pytest.mark.parametrize("seed", range(5))
def test_each_record_witnesses_a_second_at_most(seed) -> None:
    walk = random.Random(seed)
    jumps = [1, 500, 3_000, -200, *([10 * DAY_MS, -10 * DAY_MS] if seed else [])]
    times = [DAY_MS * 1_000]
    for _ in range(400):
        times.append(times[-1] + walk.choice(jumps))
    first, witnessed, _ = witnessed_in(np.array(times, np.int64))
    assert (first, witnessed) == (times[0], naive(times))


def test_records_without_a_time_witness_nothing() -> None:
    assert witnessed_in(np.zeros(5, np.int64)) == (0, 0, 0)
    assert witnessed_in(np.zeros(0, np.int64)) == (0, 0, 0)
    assert witnessed_in(np.array([10, 0, 20], np.int64)) == (10, 10, 20)


def slices(times: np.ndarray, *, size: int, first: int = 0) -> list[SliceAccount]:
    return [
        SliceAccount(
            *(0, 0, True, True, first + at, first + at + len(part), len(part), 0, 0, 0, 0),
            *(None, None, 0, witnessed_in(part), b""),
        )
        for at in range(0, len(times), size)
        if len(part := times[at : at + size])
    ]


def test_ids_are_remembered_for_the_window_and_many_records() -> None:
    steps = 8
    times = np.arange(2 * RECORDS_MIN, dtype=np.int64) * steps + DAY_MS
    found = Remembrance({0: 0}, WINDOW_MS).after(slices(times, size=20_000)).remembered_from[0]
    assert len(times) - found >= RECORDS_MIN
    assert times[-1] - times[found] > WINDOW_MS + CLOCK_SLACK_MS
    assert len(times) - found < 1.2 * RECORDS_MIN


def test_neither_a_clock_far_ahead_nor_a_busy_minute_makes_anything_forgotten() -> None:
    busy = np.full(2 * RECORDS_MIN, DAY_MS, np.int64)
    assert Remembrance({0: 3}, WINDOW_MS).after(slices(busy, size=50_000)).remembered_from == {0: 3}
    wild = busy.copy()
    wild[1000:1010] += 10 * DAY_MS
    assert Remembrance({0: 3}, WINDOW_MS).after(slices(wild, size=500)).remembered_from == {0: 3}


def test_slices_together_never_witness_more_than_the_whole() -> None:
    walk = np.random.default_rng(5)
    times = DAY_MS + np.cumsum(walk.integers(-900, 1_000, 3 * RECORDS_MIN))
    whole = Remembrance({0: 0}, WINDOW_MS).after(slices(times, size=len(times) // 2))
    cut = Remembrance({0: 0}, WINDOW_MS).after(slices(times, size=777))
    assert cut.remembered_from[0] <= len(times)
    assert whole.remembered_from[0] <= len(times)


def test_a_partition_that_is_new_is_remembered_from_its_first_record() -> None:
    given = slices(np.array([DAY_MS], np.int64), size=1, first=70)
    before = Remembrance({}, WINDOW_MS)
    assert before.after(given).remembered_from == {0: 70}
    assert before.remembered_from == {}
