"""How much time a partition has gone through is told by its records, and by no single one."""

import numpy as np
import pytest

from rtcdp.admission.log_time import BLOCK_OFFSETS, FORGOTTEN_BLOCKS_MIN, LogTime

KEPT_MS = 3_900_000


def gone_through(times: np.ndarray, *, cuts: int = 1, first_offset: int = 0) -> LogTime:
    time = LogTime(KEPT_MS)
    offsets = np.arange(first_offset, first_offset + len(times))
    for rows in np.array_split(np.arange(len(times)), cuts):
        time.observe(offsets[rows], times[rows])
    return time


def steady(records: int, per_second: float) -> np.ndarray:
    return (np.arange(records) * (1000 / per_second)).astype(np.int64)


def test_before_the_first_record_nothing_is_remembered() -> None:
    assert LogTime(KEPT_MS).remembered_from is None


def test_a_busy_partition_remembers_what_came_within_the_time_and_a_little_more() -> None:
    remembered_from = gone_through(steady(800_000, 100)).remembered_from
    assert remembered_from is not None
    kept_s = (800_000 - remembered_from) / 100
    assert KEPT_MS / 1000 < kept_s < KEPT_MS / 1000 * 1.15


def test_a_quiet_partition_remembers_a_number_of_records_at_least() -> None:
    records = BLOCK_OFFSETS * FORGOTTEN_BLOCKS_MIN
    assert gone_through(steady(records, 0.001)).remembered_from == 0
    assert gone_through(steady(records + 3 * BLOCK_OFFSETS, 0.001)).remembered_from == BLOCK_OFFSETS


@pytest.mark.parametrize("share", [0.01, 0.45])
@pytest.mark.parametrize("wrong_by", [10**10, -(10**10)])
def test_some_wrong_clocks_move_nothing(share: float, wrong_by: int) -> None:
    times = steady(300_000, 1000)
    wrong = times.copy()
    wrong[np.random.default_rng(1).random(len(times)) < share] += wrong_by
    assert gone_through(wrong).remembered_from == 0


@pytest.mark.parametrize("wrong_by", [10**10, -(10**10)])
def test_a_wrong_clock_now_and_then_moves_nothing(wrong_by: int) -> None:
    times = steady(800_000, 1000)
    times[:: 2 * BLOCK_OFFSETS] += wrong_by
    assert gone_through(times).remembered_from == 0


@pytest.mark.parametrize("wrong_by", [86_400_000, -86_400_000])
@pytest.mark.parametrize("excursions", [1, 6])
def test_a_clock_that_is_wrong_for_a_while_lets_little_time_go_by(
    wrong_by: int, excursions: int
) -> None:
    times = steady(400_000, 200)
    wrong = times.copy()
    for number in range(excursions):
        wrong[50_000 * number + 10_000 : 50_000 * number + 40_000] += wrong_by
    assert gone_through(times).remembered_from == gone_through(wrong).remembered_from == 0


@pytest.mark.parametrize("cuts", [2, 97, 1000])
def test_it_is_the_same_however_records_are_cut(cuts: int) -> None:
    times = steady(700_000, 100) + np.random.default_rng(2).integers(-90_000, 90_000, 700_000)
    whole, cut = gone_through(times), gone_through(times, cuts=cuts)
    assert whole.remembered_from == cut.remembered_from != 0


def test_whoever_begins_where_it_remembers_from_goes_on_alike() -> None:
    times = steady(1_000_000, 100) + np.random.default_rng(3).integers(-90_000, 90_000, 1_000_000)
    lived = gone_through(times[:700_000])
    first = lived.remembered_from
    assert first
    again = gone_through(times[first:700_000], first_offset=first)
    for start in range(700_000, 1_000_000, 50_000):
        rows = slice(start, start + 50_000)
        turns = lived.observe(np.arange(1_000_000)[rows], times[rows])
        assert turns == again.observe(np.arange(1_000_000)[rows], times[rows])
        assert lived.remembered_from == again.remembered_from


def test_it_says_at_which_record_more_is_forgotten() -> None:
    times = steady(BLOCK_OFFSETS * (FORGOTTEN_BLOCKS_MIN + 4), 0.001)
    lived = gone_through(times[: BLOCK_OFFSETS * (FORGOTTEN_BLOCKS_MIN + 2) - 5])
    before = lived.remembered_from
    rows = slice(BLOCK_OFFSETS * (FORGOTTEN_BLOCKS_MIN + 2) - 5, None)
    turns = lived.observe(np.arange(len(times))[rows], times[rows])
    assert [turn.row for turn in turns] == [5, 5 + BLOCK_OFFSETS]
    assert [turn.remembered_from for turn in turns][-1] == lived.remembered_from != before


def test_a_copy_stays_as_it_is() -> None:
    times = steady(900_000, 100)
    time = gone_through(times[:700_000])
    copy, before = time.mark(), time.remembered_from
    for _ in range(2):
        going_on = copy.mark()
        going_on.observe(np.arange(700_000, 900_000), times[700_000:])
        assert going_on.remembered_from == gone_through(times).remembered_from
    time.observe(np.arange(700_000, 900_000), times[700_000:] + 10**9)
    assert copy.remembered_from == before
