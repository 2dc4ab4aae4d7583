import pytest

from rtcdp.events.codec import parse_timestamp_ms
from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS
from rtcdp.sources.recorded.wire_time import wire_timestamp


def test_times_have_milliseconds_and_z():
    assert wire_timestamp(1_767_225_600_007) == "2026-01-01T00:00:00.007Z"


@pytest.mark.parametrize("instant_ms", [MIN_TIMESTAMP_MS, -1, 0, MAX_TIMESTAMP_MS])
def test_a_written_time_reads_as_the_same_time(instant_ms):
    assert parse_timestamp_ms(str(wire_timestamp(instant_ms))) == instant_ms


def test_a_time_that_has_no_text_stays_a_number():
    assert wire_timestamp(MAX_TIMESTAMP_MS + 1) == MAX_TIMESTAMP_MS + 1
