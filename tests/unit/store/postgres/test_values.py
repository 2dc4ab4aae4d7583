import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.store.postgres.values import (
    escaped,
    oid_of,
    to_array,
    to_series,
    to_value,
    wire_type,
)

integers = st.none() | st.integers(-(2**63), 2**63 - 1)
reals = st.none() | st.floats(allow_nan=False)
texts = st.none() | st.text(alphabet=st.characters(codec="utf-8"), max_size=9)
raw = st.none() | st.binary(max_size=9)


def columns_of(values, dtype):
    return st.lists(values, max_size=9).map(lambda each: pl.Series("c", each, dtype))


def elements_of(array):
    """The values of an array on the wire, by a reading of PostgreSQL's format that is plain."""
    dimensions, has_nulls, oid = np.frombuffer(array[:12], ">i4")
    if dimensions == 0:
        return oid, []
    count, first = np.frombuffer(array[12:20], ">i4")
    assert (dimensions, first) == (1, 1)
    found, position = [], 20
    for _ in range(count):
        size = int.from_bytes(array[position : position + 4], signed=True)
        position += 4
        found.append(None if size < 0 else array[position : position + size])
        position += max(size, 0)
    assert position == len(array)
    assert has_nulls == (None in found)
    return oid, found


@given(
    columns_of(integers, pl.Int64)
    | columns_of(reals, pl.Float64)
    | columns_of(texts, pl.String)
    | columns_of(raw, pl.Binary)
)
def test_a_column_goes_out_as_an_array_and_comes_back_as_it_was(column):
    oid, values = elements_of(to_array(column))
    assert oid == wire_type(column.dtype).oid
    assert to_series("c", column.dtype, oid, values).equals(column, null_equal=True)


@given(columns_of(texts, pl.String))
def test_a_single_value_is_what_it_is_in_an_array(column):
    _, values = elements_of(to_array(column))
    assert [to_value(value, column.dtype) for value in column] == values


@given(st.text(alphabet="\0\1\2ab"), st.text(alphabet="\0\1\2ab"))
def test_escapes_hold_no_zero_and_keep_the_order(one, other):
    assert "\0" not in escaped(one)
    assert (one < other) == (escaped(one) < escaped(other))


def test_numbers_at_the_ends_of_their_range_are_bound():
    assert to_value(-(2**63), pl.Int64()) == b"\x80" + bytes(7)
    assert to_value(math.inf, pl.Float64()) == b"\x7f\xf0" + bytes(6)


def test_a_null_takes_the_type_of_its_place():
    assert oid_of(pl.Series([1])) == 20
    assert oid_of(pl.Series([None], dtype=pl.String)) == 0


def test_small_integers_of_an_answer_are_read_as_well():
    assert to_series("n", pl.Int64(), 23, [b"\xff\xff\xff\xfe", None]).to_list() == [-2, None]


def test_a_column_of_an_answer_can_be_empty():
    for dtype in (pl.Int64(), pl.Float64(), pl.String(), pl.Binary()):
        assert to_series("c", dtype, wire_type(dtype).oid, []).dtype == dtype


def test_a_type_that_no_store_has_is_a_mistake():
    with pytest.raises(KeyError):
        wire_type(pl.Date())
