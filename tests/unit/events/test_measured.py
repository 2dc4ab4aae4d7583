"""What measures keep of an event, in columns and for one event."""

from bisect import bisect_left

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.events.derived import Batch, Property, UrlPath, derived
from rtcdp.events.measured import SKETCH_ERROR, SKETCH_ZERO, Dated, Sketched, sketched_value

times = st.integers(-(10**13), 10**14)
numbers = st.none() | st.floats(-(2.0**33), 2.0**33) | st.sampled_from([0.0, 1e-6, -1e-6, 1e-5])


@given(
    st.lists(st.tuples(st.integers(-(10**13), 10**14), numbers, st.none() | st.text(max_size=3)))
)
def test_a_batch_says_what_each_event_says(events) -> None:
    schema = {"timestamp": pl.Int64, "value": pl.Float64, "pageUrl": pl.String}
    frame = pl.DataFrame(events, schema=schema, orient="row")
    batch = Batch(frame, lambda _: [])
    for made in (Dated("value"), Dated("pageUrl"), Dated(UrlPath()), Sketched("value")):
        expected = [made.of_event(row) for row in frame.iter_rows(named=True)]
        assert batch.column(made.column).to_list() == expected


@given(
    st.tuples(st.integers(-(10**13), 10**14), numbers),
    st.tuples(st.integers(-(10**13), 10**14), numbers),
)
def test_dated_texts_sort_by_time(one, other) -> None:
    dated = [Dated("value").of_event({"timestamp": t, "value": v}) for t, v in (one, other)]
    assert [Dated("value").value_in(text) for text in dated] == [one[1], other[1]]
    if one[0] != other[0] and None not in dated:
        assert (dated[0] < dated[1]) == (one[0] < other[0])  # type: ignore[operator]


@given(st.floats(-(2.0**33), 2.0**33))
def test_a_sketch_is_one_percent_off_at_most(number) -> None:
    found = sketched_value(int(str(Sketched("value").of_event({"value": number}))))
    if abs(number) <= SKETCH_ZERO:
        assert found == 0
    else:
        assert abs(found - number) <= SKETCH_ERROR * abs(number) * (1 + 1e-9)


def test_a_sketch_has_fewer_ranges_than_a_table_holds_items() -> None:
    largest = Sketched("value").of_event({"value": 2.0**33})
    assert 2 * int(str(largest)) + 1 < 10_000


def test_ranges_hold_their_upper_end() -> None:
    bounds = [1.0, 2.0]
    assert [bisect_left(bounds, value) for value in (0.5, 1.0, 1.5)] == [0, 0, 1]
    assert Sketched("value").of_event({"value": SKETCH_ZERO}) == "0"


@pytest.mark.parametrize(
    "made", [Dated("value"), Dated(Property("a b")), Sketched("value"), Sketched(Property("q"))]
)
def test_a_column_tells_what_is_in_it(made) -> None:
    assert derived(made.column) == made
