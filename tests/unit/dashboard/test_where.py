"""Filters in the address of a page."""

import pytest

from rtcdp.dashboard.where import as_pairs, filters_in
from rtcdp.errors import BadRequest


def test_a_field_may_be_any_of_several_texts() -> None:
    filters = filters_in(["userId=ada", "userId=b=c", "country="])
    assert filters == {"userId": ("ada", "b=c"), "country": ("",)}
    assert as_pairs(filters) == [("userId", "ada"), ("userId", "b=c"), ("country", "")]


@pytest.mark.parametrize("text", ["ada", "=ada", " =ada", ""])
def test_what_names_no_field_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="names no field"):
        filters_in([text])
