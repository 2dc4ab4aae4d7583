"""The rule of repeats, and what is remembered of them."""

from collections.abc import Sequence

import numpy as np
import pytest

from rtcdp.admission.repeats import (
    Forgotten,
    Ids,
    Remembered,
    Repeats,
    Sightings,
    check,
    merged,
    partitions_and_offsets,
    places_of,
)

WINDOW_MS = 100

Record = tuple[int, int]
"""When it was taken in, and its content. All have one id, and lie in one partition."""


def ids_of(records: Sequence[Record], first_offset: int = 0) -> Ids:
    times, contents = zip(*records, strict=True)
    offsets = np.arange(first_offset, first_offset + len(records))
    return Ids(
        np.full(len(records), 7, np.uint64),
        np.array(times, np.int64),
        np.array(contents, np.uint64),
        places_of(np.zeros(len(records), np.int64), offsets),
        np.arange(len(records)),
    )


def checked(
    records: Sequence[Record], runs: Sequence[Sightings] = (), forgotten: Forgotten | None = None
) -> tuple[Repeats, Sightings]:
    newest_at = max((int(run.last_at.max()) for run in runs), default=None)
    remembered = Remembered(runs, lambda keys: np.ones(len(keys), np.bool_), newest_at)
    return check(ids_of(records, 100), WINDOW_MS, remembered, forgotten or Forgotten({}))


def run_of(*records: Record) -> Sightings:
    return check(
        ids_of(records),
        WINDOW_MS,
        Remembered((), lambda keys: np.zeros(len(keys), np.bool_), None),
        Forgotten({}),
    )[1]


def told(repeats: Repeats) -> list[str]:
    words = {(False, False): "new", (True, False): "duplicate", (True, True): "conflict"}
    pairs = zip(repeats.is_duplicate.tolist(), repeats.is_conflict.tolist(), strict=True)
    return [words[pair] for pair in pairs]


def test_places_come_apart_again_and_sort_by_partition_and_offset() -> None:
    partitions, offsets = np.array([0, 0, 1, 9_999]), np.array([0, 2**40, 0, 5])
    places = places_of(partitions, offsets)
    assert (np.diff(places) > 0).all()
    again = partitions_and_offsets(places)
    assert [each.tolist() for each in again] == [partitions.tolist(), offsets.tolist()]


@pytest.mark.parametrize("known_at", [1_000, 1_050, 1_099])
@pytest.mark.parametrize("apart", [-101, -100, -1, 0, 1, 100, 101])
@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_repeat_is_near_whatever_stretch_it_lies_in(
    known_at: int, apart: int, in_one_batch: bool
) -> None:
    known, repeat = (known_at, 0), (known_at + apart, 0)
    repeats, _ = checked([known, repeat]) if in_one_batch else checked([repeat], [run_of(known)])
    assert told(repeats)[-1] == ("duplicate" if abs(apart) <= WINDOW_MS else "new")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_any_record_before_makes_a_duplicate_in_whatever_order_they_came(
    order: tuple[int, ...],
) -> None:
    records = [(1_000, 0), (1_500, 0), (9_000, 0)]
    given = [records[number] for number in order]
    for runs in ([run_of(*given)], [run_of(record) for record in given]):
        asked = [(900, 0), (899, 0), (1_550, 0), (8_900, 0), (1_700, 0)]
        found = [told(checked([record], runs)[0])[0] for record in asked]
        assert found == ["duplicate", "new", "duplicate", "duplicate", "new"]


@pytest.mark.parametrize(
    ("known", "compared_with"),
    [
        # The latest of its own stretch, whichever came last, and however near another one is.
        ([(1_040, 1), (1_090, 2), (1_045, 3), (950, 4), (1_100, 5)], 2),
        # The latest of the stretch before.
        ([(960, 1), (990, 2), (970, 3), (1_100, 5)], 2),
        # That one is too far: the latest of the stretch after.
        ([(900, 1), (1_110, 5), (1_190, 6), (1_150, 7)], 6),
        # Of one time the one that lies behind.
        ([(1_040, 1), (1_040, 2)], 2),
    ],
)
def test_a_conflict_is_told_by_one_content_in_whatever_order_they_came(
    known: list[Record], compared_with: int
) -> None:
    for content in range(1, 8):
        repeats, _ = checked([(1_050, content)], [run_of(*known)])
        assert told(repeats) == ["duplicate" if content == compared_with else "conflict"]


def test_of_a_stretch_the_first_and_the_latest_are_remembered() -> None:
    runs = [run_of((1_050, 1), (1_080, 2)), run_of((1_020, 3)), run_of((2_000, 4))]
    together = merged(runs)
    found = sorted(zip(*(each.tolist() for each in together.columns[1:4]), strict=True))
    assert found == [(1_020, 1_080, 2), (2_000, 2_000, 4)]
    assert (np.diff(together.keys.astype(object)) > 0).all()
    again = merged(runs[::-1])
    assert [each.tolist() for each in again.columns] == [each.tolist() for each in together.columns]


def test_where_nothing_came_twice_one_time_is_kept_of_each() -> None:
    runs = [run_of((at, 0)) for at in (1_050, 2_050, 3_050)]
    together = merged(runs)
    assert together.is_each_once
    assert together.first_at.tolist() == together.last_at.tolist()
    assert sorted(together.last_at.tolist()) == [1_050, 2_050, 3_050]
    assert together.only(np.array([2, 0])).is_each_once
    for again in (run_of((1_020, 1)), run_of((5_020, 1), (5_080, 2))):
        assert not merged([*runs, again]).is_each_once


def test_what_is_forgotten_is_not_known_from_then_on() -> None:
    forgotten = Forgotten({0: 0})
    forgotten.add(0, [(1, 50)])
    repeats, _ = checked([(1_000, 0)], [run_of((1_000, 0))], forgotten)
    assert told(repeats) == ["duplicate"]
    forgotten = Forgotten({0: 1})
    repeats, _ = checked([(1_000, 0), (1_001, 0)], [run_of((1_000, 0))], forgotten)
    assert told(repeats) == ["new", "duplicate"]
