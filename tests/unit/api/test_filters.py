"""Several values of several fields."""

import pytest

from rtcdp.api.filters import MAX_COMBINATIONS, combinations
from rtcdp.api.problem import BadRequest


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
