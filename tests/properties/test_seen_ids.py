"""The index of seen ids agrees with a dictionary, however the records are cut into batches."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.admission.event_id_index import Forgotten, Ids, SeenIds

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
def test_any_cut_gives_the_dictionarys_verdicts(
    steps: list[tuple[int, int, int]], cuts: list[int]
) -> None:
    received_at = (STEP_MS * np.cumsum([step for _, step, _ in steps])).tolist()
    expected, last = [], {}
    for (key, _, content), now in zip(steps, received_at, strict=True):
        before = last.get(key)
        is_duplicate = before is not None and abs(now - before[0]) <= WINDOW_MS
        expected.append((is_duplicate, is_duplicate and before[1] != content))
        last[key] = (now, content)

    seen, found, start = SeenIds(WINDOW_MS), [], 0
    while start < len(steps):
        stop = start + cuts[start % len(cuts)]
        numbers = np.arange(start, min(stop, len(steps)))
        repeats = seen.check_and_add(
            Ids(
                np.array([key for key, _, _ in steps[start:stop]], np.uint64),
                np.array(received_at[start:stop], np.int64),
                np.array([content for _, _, content in steps[start:stop]], np.uint64),
                numbers << 16,
                numbers - start,
            ),
            Forgotten({}),
        )
        found += zip(repeats.is_duplicate.tolist(), repeats.is_conflict.tolist(), strict=True)
        start = stop
    assert found == expected
