from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.recent_ids import RecentIds, that_reach
from rtcdp.log.contract import Intake, Records

WINDOW_MS = 1000
LIMITS = CollectorLimits(
    dedup_window_ms=WINDOW_MS, max_clock_skew_ms=50, allowed_lateness_ms=10_000
)


def recent(max_ids: int = 100) -> RecentIds:
    return RecentIds(replace(LIMITS, max_recent_ids=max_ids))


def test_an_id_is_known_from_its_second_time_on() -> None:
    ids = recent()
    assert [ids.remember("a", [1], 10), ids.remember("a", [1], 20), ids.remember("a", [1], 30)] == [
        0,
        1,
        1,
    ]


def test_ids_repeated_within_a_delivery_count() -> None:
    assert recent().remember("a", [1, 2, 1, 1], 10) == 2


def test_known_and_repeated_ids_are_added_up() -> None:
    ids = recent()
    ids.remember("a", [1], 10)
    assert ids.remember("a", [1, 1, 2, 2, 3], 20) == 3


def test_sources_have_ids_of_their_own() -> None:
    ids = recent()
    ids.remember("a", [1], 10)
    assert ids.remember("b", [1], 10) == 0


def test_an_id_is_known_for_half_a_window_and_never_after_the_window() -> None:
    for first in range(0, 1000, 50):
        ids = recent()
        for at in range(0, first, 100):
            ids.remember("a", [-at - 1], at)
        ids.remember("a", [7], first)
        assert ids.remember("a", [7], first + WINDOW_MS // 2) == 1
        ids = recent()
        for at in range(0, first, 100):
            ids.remember("a", [-at - 1], at)
        ids.remember("a", [7], first)
        assert ids.remember("a", [7], first + WINDOW_MS + 1) == 0


def test_an_id_seen_again_is_not_remembered_longer() -> None:
    ids = recent()
    ids.remember("a", [7], 0)
    ids.remember("a", [7], 400)
    ids.remember("a", [7], 900)
    assert ids.remember("a", [7], 1001) == 0


def test_memory_is_bounded_however_many_ids_come() -> None:
    ids = recent(max_ids=100)
    for n in range(0, 10_000, 10):
        ids.remember("a", list(range(n, n + 10)), 10)
        assert len(ids) <= 100
    assert ids.remember("a", list(range(9_950, 10_000)), 10) == 50


@pytest.mark.parametrize(("back_ms", "duplicates"), [(500, 1), (1000, 1), (1001, 0), (10**9, 0)])
def test_an_id_of_a_clock_that_was_ahead_is_known_for_the_window_only(
    back_ms: int, duplicates: int
) -> None:
    ids = recent()
    ids.remember("a", [1], 2 * 10**9)
    assert ids.remember("a", [1], 2 * 10**9 - back_ms) == duplicates


def test_a_clock_that_goes_back_and_forth_is_followed() -> None:
    ids = recent()
    ids.remember("a", [1], 10_000)
    ids.remember("a", [2], 10**9)
    ids.remember("a", [3], 10_100)
    assert ids.remember("a", [3, 2], 10_200) == 1


@pytest.mark.parametrize(
    ("intake", "time_ms", "reaches"),
    [
        ("live", 90_000, True),
        ("live", 89_999, False),
        ("live", 100_050, True),
        ("live", 100_051, False),
        ("import", -(10**13), True),
        ("import", 100_051, False),
    ],
)
def test_late_events_and_those_ahead_of_the_clock_are_not_remembered(
    intake: Intake, time_ms: int, reaches: bool
) -> None:
    expected = [7] if reaches else []
    assert that_reach([7], [time_ms], 100_000, intake, LIMITS) == expected
    if abs(time_ms) < 10**6:
        instant = datetime.fromtimestamp(time_ms / 1000, UTC)
        assert that_reach([7], [instant], 100_000, intake, LIMITS) == expected


@pytest.mark.parametrize("odd", [89_999, 100_051], ids=["late", "ahead"])
@pytest.mark.parametrize("place", [0, 7, 19])
@pytest.mark.parametrize("kind", ["integers", "instants", "both"])
def test_one_of_many_that_does_not_reach_is_left_out(odd: int, place: int, kind: str) -> None:
    moments = list(range(95_000, 95_020))
    hashes = list(range(20))
    for has_odd in (False, True):
        moments[place] = odd if has_odd else moments[place]
        times = [
            moment
            if kind == "integers" or (kind == "both" and at % 2)
            else datetime.fromtimestamp(moment / 1000, UTC)
            for at, moment in enumerate(moments)
        ]
        expected = [each for each in hashes if not (has_odd and each == place)]
        assert that_reach(hashes, times, 100_000, "live", LIMITS) == expected


def test_no_intake_time_is_too_far_for_an_instant() -> None:
    instants = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    assert that_reach([1, 2], instants, 10**17, "live", LIMITS) == []
    assert that_reach([1, 2], instants, -(10**17), "import", LIMITS) == []


def test_ids_of_the_log_are_known_again() -> None:
    lines = (
        b'{"eventId":"x","timestamp":1}\n{"timestamp":1}\n'
        b'{"eventId":"\\u0079","timestamp":"1970-01-01T00:00:00.001Z"}\n'
        b'{"eventId":"x","timestamp":1}\n{"eventId":"ahead","timestamp":10000}\n'
    )
    ids = recent()
    ids.recall(
        Records(
            partition=0,
            first_offset=0,
            next_offset=5,
            lines=lines,
            offsets=np.arange(5, dtype=np.int64),
            received_at=np.array([100, 200, 300, 400, 400], dtype=np.int64),
            source_codes=np.array([0, 0, 0, 1, 1], dtype=np.int64),
            imported=np.zeros(5, dtype=np.bool_),
            sources=("a", "b"),
        )
    )
    assert ids.remember("a", [hash("x"), hash("y"), hash("z")], 500) == 2
    assert ids.remember("b", [hash("x"), hash("y"), hash("ahead")], 500) == 1
