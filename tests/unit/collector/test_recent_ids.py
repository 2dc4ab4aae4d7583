import numpy as np

from rtcdp.collector.recent_ids import RecentIds
from rtcdp.log.log import Records

WINDOW_MS = 1000


def recent(max_ids: int = 100) -> RecentIds:
    return RecentIds(max_ids, WINDOW_MS)


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


def test_a_clock_that_goes_back_forgets_nothing() -> None:
    ids = recent()
    ids.remember("a", [1], 5000)
    assert ids.remember("a", [1], 10) == 1


def test_ids_of_the_log_are_known_after_priming() -> None:
    lines = b'{"eventId":"x"}\n{"a":1}\n{"eventId":"\\u0079"}\n{"eventId":"x"}\n'
    ids = recent()
    ids.prime(
        Records(
            partition=0,
            first_offset=0,
            next_offset=4,
            lines=lines,
            offsets=np.arange(4, dtype=np.int64),
            received_at=np.array([100, 200, 300, 400], dtype=np.int64),
            source_codes=np.array([0, 0, 0, 1], dtype=np.int64),
            imported=np.zeros(4, dtype=np.bool_),
            sources=("a", "b"),
        )
    )
    assert ids.remember("a", [hash("x"), hash("y"), hash("z")], 500) == 2
    assert ids.remember("b", [hash("x"), hash("y")], 500) == 1
