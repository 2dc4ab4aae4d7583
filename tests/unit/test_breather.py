"""Long work rests while something is under way that goes first, and not otherwise."""

import time

from rtcdp.breather import LONGEST_REST, WORK_S, Breather, Precedence


def rests_of(breather: Breather, work_s: float = 2 * WORK_S, pieces: int = 20) -> float:
    """How long it rests (seconds) between pieces of work."""
    rested_s = 0.0
    for _ in range(pieces):
        end = time.perf_counter() + work_s
        while time.perf_counter() < end:
            pass
        began = time.perf_counter()
        breather.breathe()
        rested_s += time.perf_counter() - began
    return rested_s


def test_work_rests_while_something_is_under_way_that_goes_first():
    intake = Precedence()
    with intake, intake:
        assert rests_of(Breather(intake)) > 20 * 2 * WORK_S


def test_however_much_is_under_way_work_goes_on():
    with (intake := Precedence()):
        breather, began = Breather(intake), time.thread_time()
        rests_of(breather)
    assert time.thread_time() - began > 0.5 * 20 * 2 * WORK_S
    assert LONGEST_REST < 10


def test_alone_it_does_not_rest():
    intake = Precedence()
    with intake:
        pass
    assert rests_of(Breather(intake)) < WORK_S


def test_short_work_does_not_rest():
    with (intake := Precedence()):
        assert rests_of(Breather(intake), work_s=0.0, pieces=1) < WORK_S
