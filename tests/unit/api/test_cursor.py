"""Cursors go out and come back, and only to the list they came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.api.cursor import read_cursor, write_cursor
from rtcdp.api.problem import BadRequest

parts = st.lists(st.integers(-(2**63), 2**63 - 1) | st.text(), max_size=4)


@given(parts)
def test_a_cursor_comes_back_as_it_was(sent: list[int | str]) -> None:
    assert read_cursor(write_cursor(sent), [type(part) for part in sent]) == tuple(sent)


@given(parts)
def test_a_cursor_is_safe_in_an_address(sent: list[int | str]) -> None:
    assert write_cursor(sent).replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("text", ["", "!", "é", "AAAA", "W10", "WzEsMl0", "W1sxXV0", "W3RydWVd"])
def test_what_is_no_cursor_of_this_list_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="does not belong to this list"):
        read_cursor(text, (int, str))


def test_a_number_that_no_store_can_hold_is_refused() -> None:
    with pytest.raises(BadRequest):
        read_cursor(write_cursor((2**63,)), (int,))
