"""From which offset on ids are remembered is told by the log's own time."""

import numpy as np
import pytest

from rtcdp.admission.event_id_index import CLOCK_SLACK_MS
from rtcdp.admission.log_time import BLOCK_OFFSETS, LogTime
from rtcdp.engines.spark.exchange import SliceAccount, pack_times
from rtcdp.engines.spark.remembrance import Remembrance

WINDOW_MS = 600_000
DAY_MS = 86_400_000


def slices(times: np.ndarray, *, size: int, first: int = 0) -> list[SliceAccount]:
    return [
        SliceAccount(
            *(0, 0, True, True, first + at, first + at + len(part), len(part), 0, 0, 0, 0),
            *(None, None, 0, pack_times(first + at + np.arange(len(part)), part), b""),
        )
        for at in range(0, len(times), size)
        if len(part := times[at : at + size]) >= 0
    ]


@pytest.mark.parametrize("size", [777, 50_000])
def test_it_is_what_the_native_engine_remembers_however_slices_are_cut(size) -> None:
    times = DAY_MS + np.arange(100 * BLOCK_OFFSETS) * 8
    native = LogTime(WINDOW_MS + CLOCK_SLACK_MS)
    native.observe(np.arange(len(times)), times)
    found = Remembrance({0: 0}, WINDOW_MS).after(slices(times, size=size))
    assert found.remembered_from == {0: native.remembered_from}
    assert times[-1] - times[found.remembered_from[0]] > WINDOW_MS + CLOCK_SLACK_MS


def test_a_restart_forgets_nothing_that_it_has_not_seen_grow_old() -> None:
    times = DAY_MS + np.arange(10 * BLOCK_OFFSETS) * 8
    later = slices(times, size=9_999, first=1_000_000)
    before = Remembrance({0: 3}, WINDOW_MS)
    assert before.after(later).remembered_from == {0: 3}
    assert before.remembered_from == {0: 3}


def test_a_clock_that_is_far_ahead_makes_nothing_forgotten() -> None:
    times = np.full(20 * BLOCK_OFFSETS, DAY_MS)
    times[5_000:30_000] += 10 * DAY_MS
    assert Remembrance({0: 0}, WINDOW_MS).after(slices(times, size=5_000)).remembered_from == {0: 0}


def test_a_partition_that_is_new_is_remembered_from_its_first_record() -> None:
    given = slices(np.array([DAY_MS]), size=1, first=70)
    assert Remembrance({}, WINDOW_MS).after(given).remembered_from == {0: 70}
