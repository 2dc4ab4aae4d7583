"""The ids that a bucket has seen, in sorted runs: judged by the rule, merged, forgotten."""

import random

import numpy as np
import pytest

from rtcdp.admission.repeats import Sightings
from rtcdp.engines.spark.exchange import NEVER, SliceIds, pack_offsets, unpack_offsets
from rtcdp.engines.spark.seen_runs import (
    FAN_IN,
    RUN_IDS_MAX,
    RunEntry,
    in_decision_order,
    is_forgettable,
    judge,
    merge_due,
    merged,
    name_of,
    pack_run,
    unpack_run,
)


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def ids(*rows: tuple[int, int, int], partition: int = 0, position: int = 0, **given) -> SliceIds:
    """Rows of (offset, hash, intake time)."""
    offsets, hashes, times = (column(*values) for values in zip(*rows, strict=True))
    fields = {
        "is_counted": True,
        "oldest_due": int(times.min()),
        "due": b"",
        "contents": pack_offsets(hashes),
        **given,
    }
    return SliceIds(
        partition=partition,
        position=position,
        hashes=pack_offsets(hashes),
        received_at=pack_offsets(times),
        offsets=pack_offsets(offsets),
        **fields,
    )


def duplicates(judged) -> dict[int, list[int]]:
    return {each.partition: unpack_offsets(each.duplicates).tolist() for each in judged.verdicts}


@pytest.mark.parametrize(("apart", "is_duplicate"), [(100, True), (101, False), (-101, False)])
def test_what_was_taken_in_within_the_window_is_a_repeat(apart, is_duplicate) -> None:
    first = judge(in_decision_order([ids((0, 7, 1_000))]), [], 100)
    second = judge(in_decision_order([ids((1, 7, 1_000 + apart))]), [first.run], 100)
    assert duplicates(second) == {0: [1] if is_duplicate else []}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_any_run_may_know_it_and_none_has_the_last_word(order) -> None:
    known = [judge(in_decision_order([ids((n, 7, at))]), [], 100) for n, at in ((0, 0), (1, 500))]
    runs = [known[number].run for number in order]
    for at in (90, 590):
        judged = judge(in_decision_order([ids((9, 7, at))]), runs, 100)
        assert duplicates(judged) == {0: [9]}
        assert unpack_offsets(judged.verdicts[0].conflicts).tolist() == []


def test_partitions_are_in_line_by_due_time_and_each_as_its_log_stands() -> None:
    ahead = ids((0, 1, 900), (1, 2, 100), due=pack_offsets(column(100, 100)))
    other = ids((0, 3, 50), (1, 4, 200), partition=1)
    ordered = in_decision_order([ahead, other])
    assert ordered.hashes.tolist() == [3, 1, 2, 4]


def test_a_later_slice_makes_an_earlier_one_due() -> None:
    first = ids((0, 1, 900))
    later = ids((5, 2, 300), position=1, oldest_due=100)
    other = ids((0, 3, 200), partition=1)
    assert in_decision_order([other, first, later]).hashes.tolist() == [1, 3, 2]


def test_what_was_decided_comes_first_and_gets_no_verdict() -> None:
    decided = ids((0, 7, 500), (1, 7, 500), is_counted=False)
    fresh = ids((0, 7, 450), partition=1)
    judged = judge(in_decision_order([fresh, decided]), [], 100)
    assert duplicates(judged) == {1: [0]}
    assert judged.verdicts[0].judged_count == 1


def test_a_slice_without_ids_of_this_bucket_only_tells_its_due_time() -> None:
    empty = SliceIds(0, 1, True, 5, b"", b"", b"", b"", b"")
    judged = judge(in_decision_order([ids((0, 7, 500)), empty]), [], 100)
    assert judged.entry.newest == {0: 0}
    nothing = judge(in_decision_order([empty]), [], 100)
    assert (nothing.verdicts, len(nothing.run)) == ((), 0)
    assert NEVER > 10**18


def test_merging_keeps_each_key_once_and_changes_no_verdict() -> None:
    walk = random.Random(3)
    runs, entries, offset = [], [], 0
    for _ in range(FAN_IN):
        rows = [(offset + n, walk.randrange(40), offset + n) for n in range(30)]
        judged = judge(in_decision_order([ids(*rows)]), runs, 20)
        runs.append(judged.run)
        entries.append(judged.entry)
        offset += 30
    run, entry = merged(runs, entries)
    assert (entry.level, entry.count, entry.newest) == (1, len(run), {0: offset - 1})
    assert run.keys.tolist() == sorted(set(run.keys.tolist()))
    ask = in_decision_order([ids(*((offset + n, n, offset) for n in range(50)))])
    assert duplicates(judge(ask, runs, 20)) == duplicates(judge(ask, [run], 20))


def test_runs_of_one_size_are_merged_and_large_ones_rest() -> None:
    small = [RunEntry("a", 0, 10, {0: 1})] * FAN_IN
    assert merge_due(small) == FAN_IN
    assert merge_due(small[1:]) == 0
    assert merge_due([RunEntry("b", 1, 10, {}), *small[1:]]) == 0
    assert merge_due([RunEntry("c", 0, RUN_IDS_MAX, {}), *small[1:]]) == 0


def test_a_run_is_forgotten_when_all_of_it_lies_before_what_is_remembered() -> None:
    entry = RunEntry("a", 0, 10, {0: 99, 1: 5})
    assert is_forgettable(entry, {0: 100, 1: 6})
    assert not is_forgettable(entry, {0: 99, 1: 6})
    assert not is_forgettable(entry, {0: 100})


def test_a_run_comes_out_as_it_went_in_and_its_name_tells_what_it_holds() -> None:
    def run_of(content: int) -> Sightings:
        codes = np.array([3, 2**64 - 5], np.uint64)
        contents = np.array([1, content], np.uint64)
        return Sightings(codes, column(1, 2), column(10, 20), contents, column(5, 6))

    run = run_of(2**63)
    again = unpack_run(pack_run(run))
    assert [each.tolist() for each in again.columns] == [each.tolist() for each in run.columns]
    assert name_of(again) == name_of(run) != name_of(run_of(3))
