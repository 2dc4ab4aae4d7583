"""The time that a page tells of."""

import pytest

from rtcdp.clock import DAY_MS, HOUR_MS
from rtcdp.dashboard.period import OFFERED, Period, period_of
from rtcdp.errors import BadRequest

NOW = 1_767_225_600_000


def test_it_ends_now_unless_somebody_says_otherwise() -> None:
    assert period_of(None, None, None, NOW, HOUR_MS) == Period(NOW - HOUR_MS, NOW, True)
    assert period_of(None, None, DAY_MS, NOW, HOUR_MS) == Period(NOW - DAY_MS, NOW, True)
    assert period_of(NOW - 5, None, None, NOW, HOUR_MS) == Period(NOW - 5, NOW, False)
    assert period_of(None, NOW - 5, None, NOW, 10) == Period(NOW - 15, NOW - 5, False)


def test_it_is_compared_with_as_long_a_time_just_before() -> None:
    assert Period(100, 130, True).before() == Period(70, 100, True)


def test_contradictions_are_refused() -> None:
    with pytest.raises(BadRequest, match="both"):
        period_of(NOW - 5, None, 10, NOW, HOUR_MS)
    with pytest.raises(BadRequest, match="ends before"):
        period_of(NOW + 5, None, None, NOW, HOUR_MS)


def test_what_is_offered_is_the_longer_the_further_right() -> None:
    assert [short for _, short, _ in OFFERED] == ["30 min", "1 h", "6 h", "24 h", "7 d", "30 d"]
