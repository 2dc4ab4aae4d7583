"""The index of seen ids agrees with the written rule, however the records are cut into batches, and
in whatever order those of before are read back."""

from collections import defaultdict
from collections.abc import Iterable
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.admission.event_id_index import SeenIds
from rtcdp.admission.repeats import Forgotten, Ids, places_of

STEP_MS = 60_000
WINDOW_MS = 50 * STEP_MS

records = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.one_of(st.integers(-1, 30), st.sampled_from([-5000, -60, 60, 5000])),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=80,
)
"""Each an id, how many minutes after the one before it came (a clock may be anything), and its
content."""


@given(records, st.lists(st.integers(1, 9), min_size=1))
def test_any_cut_gives_the_verdicts_of_the_written_rule(
    steps: list[tuple[int, int, int]], cuts: list[int]
) -> None:
    ids = ids_of(steps)
    seen, found, start = SeenIds(WINDOW_MS), [], 0
    while start < len(steps):
        stop = start + cuts[start % len(cuts)]
        repeats = seen.check_and_add(ids.only(np.arange(start, min(stop, len(ids)))), Forgotten({}))
        found += zip(repeats.is_duplicate.tolist(), repeats.is_conflict.tolist(), strict=True)
        start = stop
    assert found == [by_the_rule(ids, row, range(row)) for row in range(len(ids))]


@given(records, st.randoms(use_true_random=False), st.lists(st.integers(1, 9), min_size=1))
def test_what_is_read_back_in_another_order_gives_the_same_verdicts(
    steps: list[tuple[int, int, int]], random: Random, cuts: list[int]
) -> None:
    *before, last = range(len(steps))
    random.shuffle(before)
    ids, seen = ids_of(steps), SeenIds(WINDOW_MS)
    while before:
        count = cuts[len(before) % len(cuts)]
        seen.check_and_add(ids.only(np.array(before[:count])), Forgotten({}))
        before = before[count:]
    repeats = seen.check_and_add(ids.only(np.array([last])), Forgotten({}))
    expected = by_the_rule(ids, last, range(last))
    assert (bool(repeats.is_duplicate[0]), bool(repeats.is_conflict[0])) == expected


def ids_of(steps: list[tuple[int, int, int]]) -> Ids:
    """Records on two partitions by turns, as the index gets them."""
    keys, minutes, contents = zip(*steps, strict=True)
    numbers = np.arange(len(steps))
    return Ids(
        np.array(keys, np.uint64),
        STEP_MS * np.cumsum(minutes),
        np.array(contents, np.uint64),
        places_of(numbers % 2, numbers // 2),
        numbers,
    )


def by_the_rule(ids: Ids, row: int, earlier: Iterable[int]) -> tuple[bool, bool]:
    """Whether a record is a duplicate of earlier ones, and a conflict: as the page says it."""
    at = int(ids.received_at[row])
    same = [each for each in earlier if ids.hashes[each] == ids.hashes[row]]
    near = [each for each in same if abs(int(ids.received_at[each]) - at) <= WINDOW_MS]
    if not near:
        return False, False
    by_stretch: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for each in same:
        entry = (int(ids.received_at[each]), int(ids.places[each]), int(ids.contents[each]))
        by_stretch[entry[0] // WINDOW_MS].append(entry)
    own = at // WINDOW_MS
    is_before = max(by_stretch.get(own - 1, [(-(10**18), 0, 0)]))[0] >= at - WINDOW_MS
    stretch = own if own in by_stretch else own - 1 if is_before else own + 1
    return True, max(by_stretch[stretch])[2] != ids.contents[row]
