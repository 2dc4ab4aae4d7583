"""Times that are read many at once are those that each of them is by itself."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcdp.sources.recorded.line_mapper import time_of
from rtcdp.sources.recorded.mapping import TimestampRule
from rtcdp.sources.recorded.time_columns import time_reader
from rtcdp.sources.recorded.unmapped import Invalid
from rtcdp.sources.recorded.wire_time import wire_timestamp

FORMATS = ["%Y-%m-%d %H:%M:%S UTC", "%d.%m.%Y %H:%M:%S", "%S%M%H%d%m%Y", "iso"]
WRITTEN = [*FORMATS[:3], "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.250Z", "%Y-%m-%d %H:%M:%S+02:00"]
ODD = ["", "x", "2019-1-1 0:0:0 UTC", "2019-10-01  00:00:00 utc", "+2019-10-01 00:00:00 UTC"]
ODD += ["2016-12-31 23:59:60 UTC", "2019-02-30 00:00:00 UTC", "2019-10-01T00:00:00.1239Z"]


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.datetimes(), st.sampled_from(WRITTEN)), min_size=1, max_size=20),
    st.lists(st.sampled_from(ODD), max_size=3),
)
def test_a_time_is_the_same_among_others_or_is_left_out(form, moments, odd):
    rule = TimestampRule("{at}", form)
    reader, read = time_reader(rule), time_of(rule)
    assert reader is not None
    texts = [moment.strftime(written) for moment, written in moments] + odd
    for text, told in zip(texts, reader(pl.Series(texts)), strict=True):
        try:
            alone = wire_timestamp(read({"at": text}))
        except Invalid:
            alone = None
        assert told is None or told == alone


@pytest.mark.parametrize("form", FORMATS)
def test_plain_times_are_not_left_out(form):
    reader = time_reader(TimestampRule("{at}", form))
    text = {"iso": "2019-10-01T12:30:59Z"}.get(form) or form
    for directive, digits in zip("YmdHMS", ("2019", "10", "01", "12", "30", "59"), strict=True):
        text = text.replace(f"%{directive}", digits)
    assert reader is not None
    assert reader(pl.Series([text, text])).to_list() == ["2019-10-01T12:30:59.000Z"] * 2


@pytest.mark.parametrize(
    "rule",
    [
        TimestampRule("{at}", "%Y-%m-%d %H:%M:%S", "Europe/Berlin"),
        TimestampRule("{day} {at}", FORMATS[0]),
        TimestampRule("at {at}", FORMATS[0]),
        TimestampRule("{at}", "%Y-%m-%d %H:%M"),
        TimestampRule("{at}", "%Y-%m-%d %H:%M:%S %z"),
        TimestampRule("{at}", "%Y-%m-%d %H:%M:%S %"),
        TimestampRule("{at}", ("epoch_s", "iso")),
    ],
)
def test_rules_that_say_more_are_for_single_times(rule):
    assert time_reader(rule) is None
