"""Events of the log, as pages show them."""

import pytest

from rtcdp.dashboard.found_events import written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (1234, "1,234"),
        (0.5, "0.5"),
        ([{"item": "/a", "count": 2}, {"item": "/b", "count": 1}], "/a 2, /b 1"),
        ([], "–"),
        ({"a": 1}, "{'a': 1}"),
        ("/<b>", "/<b>"),
    ],
)
def test_a_value_is_written_as_people_read_it(value: object, text: str) -> None:
    assert written(value) == text
