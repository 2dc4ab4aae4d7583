"""Long work rests for moments, and while something is under way that goes first."""

import pytest

from rtcdp import breather
from rtcdp.breather import LONGEST_REST, PAUSE_S, WORK_S, Breather, Precedence

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
        resting = Breather(intake)
        for _ in range(PIECES):
            time.now_s += work_s
            resting.breathe()
        return time.rested_s

    return of


def test_long_work_rests_for_moments(rests) -> None:
    assert rests(Precedence(), 2 * WORK_S) == pytest.approx(PIECES * PAUSE_S)


def test_while_something_goes_first_it_rests_longer_but_goes_on(rests) -> None:
    intake = Precedence()
    with intake, intake:
        assert rests(intake, 2 * WORK_S) == pytest.approx(
            PIECES * 2 * WORK_S * LONGEST_REST, abs=PIECES * PAUSE_S
        )
    assert rests(intake, 2 * WORK_S) == pytest.approx(PIECES * PAUSE_S)


def test_short_work_rests_when_it_has_come_together(rests) -> None:
    assert rests(Precedence(), WORK_S / 4) == pytest.approx(PIECES / 4 * PAUSE_S, abs=PAUSE_S)
    assert rests(Precedence(), 0.0) == 0
