"""Long work rests for moments, and while something is under way that goes first."""

import pytest

from rtcdp import breather
from rtcdp.breather import LONGEST_REST, LONGEST_WORK_S, WORK_S, Breather, Precedence, Rests

PIECES = 20


class ShownTime:
    """A clock that work and rests move."""

    def __init__(self) -> None:
        self.now_s = self.rested_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.rested_s += seconds


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch):
    def of(intake: Precedence, work_s: float) -> float:
        """How long work of that many seconds a piece rests in all."""
        time = ShownTime()
        monkeypatch.setattr(breather, "time", time)
        resting = Breather(intake, Rests())
        for _ in range(PIECES):
            time.now_s += work_s
            resting.breathe()
        return time.rested_s

    return of


@pytest.fixture
def intake() -> Precedence:
    """Of a process that takes events in; none is under way."""
    intake = Precedence()
    with intake:
        return intake


def test_where_nothing_ever_came_in_it_does_not_rest(rests) -> None:
    assert rests(Precedence(), 2 * WORK_S) == 0


def test_long_work_rests_as_long_as_it_worked(rests, intake) -> None:
    assert rests(intake, 2 * WORK_S) == pytest.approx(PIECES * 2 * WORK_S)


def test_one_who_had_to_wait_does_not_rest_for_that(rests, intake) -> None:
    assert rests(intake, 50.0) == pytest.approx(PIECES * LONGEST_WORK_S)


def test_while_something_goes_first_it_rests_longer_but_goes_on(rests, intake) -> None:
    with intake, intake:
        longest = PIECES * 2 * WORK_S * LONGEST_REST
        assert rests(intake, 2 * WORK_S) == pytest.approx(longest, abs=PIECES * WORK_S)
    assert rests(intake, 2 * WORK_S) == pytest.approx(PIECES * 2 * WORK_S)


def test_short_work_rests_when_it_has_come_together(rests, intake) -> None:
    assert rests(intake, WORK_S / 4) == pytest.approx(PIECES / 4 * WORK_S, abs=WORK_S)
    assert rests(intake, 0.0) == 0


def test_all_work_together_rests_as_long_as_it_works() -> None:
    together = Rests()
    until = [together.after(0.002, 10.0) for _ in range(3)]
    assert until == pytest.approx([10.002, 10.004, 10.006])
    assert together.after(0.002, 11.0) == pytest.approx(11.002)
