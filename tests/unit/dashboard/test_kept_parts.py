"""Parts of pages that were just read."""

import itertools
import threading
import time

import pytest

from rtcdp.clock import ManualClock
from rtcdp.dashboard.kept_parts import PARTS_MAX, REST, REST_MAX_S, KeptParts


class ClockThatCounts(ManualClock):
    """Says how often it was looked at: whoever has looked has asked."""

    looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return super().monotonic()


def test_a_part_is_read_once_while_it_is_new() -> None:
    clock, numbers = ManualClock(), itertools.count()
    parts = KeptParts(clock)
    assert [parts.get("a", lambda: next(numbers)) for _ in range(3)] == [0, 0, 0]
    assert parts.get("b", lambda: next(numbers)) == 1
    clock.advance(1000)
    assert parts.get("a", lambda: next(numbers)) == 2


def test_who_wants_it_anew_gets_it_for_the_others_as_well() -> None:
    clock, numbers = ManualClock(), itertools.count()
    parts = KeptParts(clock)
    assert [parts.get("a", lambda: next(numbers), anew=True) for _ in range(2)] == [0, 1]
    assert parts.get("a", lambda: next(numbers)) == 1


def test_who_takes_an_older_one_does_not_wait_for_it() -> None:
    clock, numbers = ManualClock(), itertools.count()
    parts = KeptParts(clock)
    assert parts.get("a", lambda: next(numbers)) == 0
    clock.advance(9_999)
    assert parts.get("a", lambda: next(numbers), older_s=9) == 0
    assert parts.get("a", lambda: next(numbers)) == 1
    clock.advance(10_001)
    assert parts.get("a", lambda: next(numbers), older_s=9) == 2


def test_a_part_that_takes_long_is_kept_for_longer() -> None:
    clock, numbers = ManualClock(), itertools.count()
    parts, took = KeptParts(clock), 300

    def read() -> int:
        clock.advance(took)
        return next(numbers)

    for number in range(2):
        assert parts.get("a", read) == number
        rest = min(REST * took, round(REST_MAX_S * 1000))
        clock.advance(rest - 1)
        assert parts.get("a", read) == number
        clock.advance(1)
        took = 60_000


@pytest.mark.parametrize("anew", [False, True])
def test_who_asked_before_it_was_read_waits_for_it_however_long_that_takes(anew: bool) -> None:
    clock = ClockThatCounts()
    parts, asked, waiting = KeptParts(clock), [], threading.Semaphore(0)

    def read() -> str:
        asked.append(1)
        waiting.acquire(timeout=60)
        clock.advance(5000)
        return "part"

    def get() -> None:
        parts.get("a", read, anew=anew)

    def begin() -> threading.Thread:
        thread = threading.Thread(target=get)
        thread.start()
        return thread

    threads = [begin()]
    while not asked:
        time.sleep(0.001)
    looks = clock.looks
    threads += [begin() for _ in range(2)]
    while clock.looks < looks + 2:
        time.sleep(0.001)
    clock.advance(1)
    for _ in range(3):
        waiting.release()
    for thread in threads:
        thread.join()
    # Who wants it anew takes what began to be read since they asked, and no other.
    assert len(asked) == (2 if anew else 1)


def test_what_went_wrong_is_not_kept() -> None:
    parts = KeptParts(ManualClock())

    def broken() -> str:
        raise ValueError("away")

    with pytest.raises(ValueError, match="away"):
        parts.get("a", broken)
    assert parts.get("a", lambda: "back") == "back"


def test_only_so_many_are_kept() -> None:
    parts = KeptParts(ManualClock())
    for number in range(PARTS_MAX + 1):
        parts.get(str(number), lambda: "old")
    assert parts.get("0", lambda: "new") == "new"
    assert parts.get(str(PARTS_MAX), lambda: "new") == "old"
