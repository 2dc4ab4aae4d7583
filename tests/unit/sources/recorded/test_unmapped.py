import pytest

from rtcdp.sources.recorded.unmapped import Invalid, Unmapped


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (Unmapped("who", None, "a name"), "column who is empty, expected a name"),
        (Unmapped("who", "x", "a name"), "column who is 'x', expected a name"),
        (Unmapped("", None, "send JSON"), "the line is no event: send JSON"),
        (Unmapped("", "x\n", "CSV"), "the line is 'x\\n', expected CSV"),
        (Unmapped("", "x" * 99, "CSV"), f"the line is '{'x' * 60}…', expected CSV"),
    ],
)
def test_a_reason_names_column_value_and_expectation(reason, text):
    assert str(reason) == text


def test_the_error_carries_the_reason():
    assert Invalid("who", None, "a name").reason == Unmapped("who", None, "a name")
