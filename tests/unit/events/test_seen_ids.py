"""The index of seen ids."""

import numpy as np
import pytest

from rtcdp.events.seen_ids import CLOCK_SLACK_MS, Repeats, SeenIds

WINDOW_MS = 1000


def check(seen: SeenIds, *ids: tuple[int, int, int]) -> Repeats:
    """Each id as (hash, received_at, content)."""
    hashes, received_at, contents = zip(*ids, strict=True)
    return seen.check_and_add(
        np.array(hashes, np.uint64), np.array(received_at, np.int64), np.array(contents, np.uint64)
    )


def test_a_new_id_is_no_duplicate() -> None:
    assert not check(SeenIds(WINDOW_MS), (1, 0, 0)).is_duplicate.any()


def test_an_id_of_an_earlier_batch_is_a_duplicate() -> None:
    seen = SeenIds(WINDOW_MS)
    check(seen, (1, 0, 0), (2, 0, 0))
    assert check(seen, (3, 1, 0), (2, 1, 0)).is_duplicate.tolist() == [False, True]


def test_within_a_batch_all_but_the_first_are_duplicates() -> None:
    repeats = check(SeenIds(WINDOW_MS), (1, 0, 0), (2, 0, 0), (1, 0, 0), (1, 0, 0))
    assert repeats.is_duplicate.tolist() == [False, False, True, True]


@pytest.mark.parametrize(("gap_ms", "is_duplicate"), [(999, True), (1000, True), (1001, False)])
def test_an_id_is_remembered_for_the_window_and_not_longer(gap_ms: int, is_duplicate: bool) -> None:
    seen = SeenIds(WINDOW_MS)
    check(seen, (1, 0, 0))
    assert check(seen, (1, gap_ms, 0)).is_duplicate.tolist() == [is_duplicate]


def test_a_duplicate_is_remembered_as_well() -> None:
    seen = SeenIds(WINDOW_MS)
    check(seen, (1, 0, 0))
    check(seen, (1, 900, 0))
    assert check(seen, (1, 1800, 0)).is_duplicate.tolist() == [True]


def test_another_content_is_a_conflict() -> None:
    seen = SeenIds(WINDOW_MS)
    check(seen, (1, 0, 7), (2, 0, 7))
    repeats = check(seen, (1, 1, 7), (2, 1, 8))
    assert repeats.is_duplicate.tolist() == [True, True]
    assert repeats.is_conflict.tolist() == [False, True]


def test_expired_ids_leave_room() -> None:
    seen = SeenIds(WINDOW_MS, capacity=2000)
    for step in range(100):
        check(seen, *((step * 50 + i, step * CLOCK_SLACK_MS, 0) for i in range(50)))
    assert len(seen) <= 2000
    assert seen.forgotten_early == 0


def test_beyond_its_capacity_the_oldest_are_forgotten_and_counted() -> None:
    seen = SeenIds(WINDOW_MS, capacity=10)
    for received_at in range(20):
        check(seen, (received_at, received_at, 0))
    assert len(seen) == 10
    assert seen.forgotten_early == 10
    assert check(seen, (0, 20, 0), (19, 20, 0)).is_duplicate.tolist() == [False, True]


def test_one_record_from_the_future_makes_nothing_forgotten() -> None:
    seen = SeenIds(WINDOW_MS)
    check(seen, (1, 0, 0))
    check(seen, (2, 10**9, 0))
    for other in range(100, 130):
        check(seen, (other, 10, 0))
    assert check(seen, (1, 20, 0)).is_duplicate.tolist() == [True]


def test_an_emptied_index_goes_on() -> None:
    seen = SeenIds(WINDOW_MS)
    for step in range(100):
        check(seen, (step, step * 10 * CLOCK_SLACK_MS, 0))
        assert not check(seen, (step + 1000, step * 10 * CLOCK_SLACK_MS, 0)).is_duplicate.any()


def test_a_batch_can_be_taken_back() -> None:
    seen = SeenIds(WINDOW_MS, capacity=100)
    for key in range(20):
        check(seen, (key, 0, 0))
    mark = seen.mark()
    for key in range(1000, 1200):
        check(seen, (key, key * CLOCK_SLACK_MS, 0))
    seen.reset(mark)
    assert len(seen) == 20
    assert seen.forgotten_early == 0
    assert check(seen, *((key, 1, 0) for key in range(20))).is_duplicate.all()
    assert not check(seen, *((key, 1, 0) for key in range(1000, 1200))).is_duplicate.any()


def test_what_records_to_come_may_repeat_is_kept() -> None:
    later = 100 * CLOCK_SLACK_MS
    seen, forgetful = SeenIds(WINDOW_MS), SeenIds(WINDOW_MS)
    for each, waiting_since in ((seen, 500), (forgetful, None)):
        for key in range(100):
            received_at = np.array([later if key else 0], np.int64)
            one = np.array([key], np.uint64)
            each.check_and_add(one, received_at, one, waiting_since)
    assert check(seen, (0, 500, 0)).is_duplicate.all()
    assert not check(forgetful, (0, 500, 0)).is_duplicate.any()
