"""Long work rests now and then, and short work doesn't."""

import time

from rtcdp.breather import Breather


def rests_during(work, breather) -> int:
    count = 0
    for piece_s in work:
        end = time.perf_counter() + piece_s
        while time.perf_counter() < end:
            pass
        began = time.perf_counter()
        breather.breathe()
        count += time.perf_counter() - began >= 0.002
    return count


def test_long_work_rests_again_and_again():
    assert rests_during([0.001] * 50, Breather(work_s=0.005, pause_s=0.002)) >= 5


def test_short_work_does_not_rest():
    assert rests_during([0.0] * 50, Breather(work_s=60.0, pause_s=0.002)) == 0
