"""Cursors go out and come back, and only to the list they came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.answers.cursor import (
    INSTANT,
    MAX_COMBINATIONS,
    OFFSET,
    combinations,
    read_cursor,
    write_cursor,
)
from rtcdp.errors import BadRequest

texts = st.text().filter(lambda text: "\0" not in text)
parts = st.lists(st.integers(0, 2**63 - 1) | texts, max_size=4)


@given(parts)
def test_a_cursor_comes_back_as_it_was(sent: list[int | str]) -> None:
    assert read_cursor(
        write_cursor(sent), [OFFSET if type(part) is int else str for part in sent]
    ) == tuple(sent)


@given(parts)
def test_a_cursor_is_safe_in_an_address(sent: list[int | str]) -> None:
    assert write_cursor(sent).replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("text", ["", "!", "é", "AAAA", "W10", "WzEsMl0", "W1sxXV0", "W3RydWVd"])
def test_what_is_no_cursor_of_this_list_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="does not belong to this list"):
        read_cursor(text, (INSTANT, str))


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, 2**63, INSTANT.start - 1, INSTANT.stop])
def test_a_time_that_no_window_can_have_is_refused(number: int) -> None:
    with pytest.raises(BadRequest):
        read_cursor(write_cursor((number,)), (INSTANT,))


def test_a_text_that_no_event_can_have_is_refused() -> None:
    with pytest.raises(BadRequest):
        read_cursor(write_cursor(("a\0",)), (str,))


def test_a_cursor_of_a_list_is_of_no_use_for_the_list_backwards() -> None:
    backwards = write_cursor(("desc", 7))
    assert read_cursor(backwards, ("desc", OFFSET)) == ("desc", 7)
    for shape in ((OFFSET,), ("asc", OFFSET)):
        with pytest.raises(BadRequest):
            read_cursor(backwards, shape)


def test_without_fields_there_is_one_choice() -> None:
    assert list(combinations({})) == [{}]


def test_each_choice_has_one_value_of_each_field() -> None:
    assert list(combinations({"a": ("1", "2"), "b": ("3",)})) == [
        {"a": "1", "b": "3"},
        {"a": "2", "b": "3"},
    ]


def test_too_many_choices_are_refused_with_the_bound() -> None:
    most = [str(number) for number in range(MAX_COMBINATIONS)]
    assert len(list(combinations({"a": most}))) == MAX_COMBINATIONS
    with pytest.raises(BadRequest, match="100 combinations") as refused:
        combinations({"a": most, "b": ("1", "2")})
    assert str(MAX_COMBINATIONS) in refused.value.hint
