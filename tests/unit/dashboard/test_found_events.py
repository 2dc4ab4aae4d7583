"""Events of the log, as pages show them."""

import pytest

from rtcdp.dashboard.found_events import written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234, "1,234.00"),
        (10**40, f"{10**40:,}.00"),
        (666.4, "666.40"),
        (0.0005, "0.0005"),
        (["kite", 1], '["kite",1]'),
        ({"a": 1}, '{"a":1}'),
        (True, "true"),
        ("/<b>", "/<b>"),
    ],
)
def test_whatever_an_event_says_is_written_as_people_read_it(value: object, text: str) -> None:
    assert written(value) == text
