"""Units of times, told by their size."""

import pytest

from rtcdp.events.mistaken_units import doubt_about, mistaken

NOW_MS = 1_769_851_800_123


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_of_these_years_tells_its_unit(sign: int) -> None:
    assert mistaken(sign * NOW_MS) is None
    for number, unit in (
        (NOW_MS // 1000, "seconds"),
        (NOW_MS * 1000, "microseconds"),
        (NOW_MS * 10**6, "nanoseconds"),
    ):
        found = mistaken(sign * number)
        assert found is not None
        assert found.unit == unit
        assert abs(found.milliseconds - sign * NOW_MS) < 1000


def test_only_seconds_are_doubted_where_milliseconds_could_be_meant() -> None:
    assert doubt_about(NOW_MS) is None
    assert doubt_about(0) is None
    assert "send 1769851800000" in str(doubt_about(NOW_MS // 1000))
