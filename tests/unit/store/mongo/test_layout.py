import pytest
from bson import decode, encode
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from hypothesis import given
from hypothesis import strategies as st

from rtcdp.definitions import Average, Metric, StandardDeviation, Variance, tables_of, tumbling
from rtcdp.store.mongo.layout import BEFORE, LEDGER, REVISION, SPANS, Readable, layout_of

AS_READ = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)


def stored(layout, place, values, revision, before=()):
    """The document as the server gives it back."""
    document = {**layout.placed(place), **layout.shown(values), REVISION: Int64(revision)}
    if before:
        document[BEFORE] = list(before)
    return decode(encode(document), AS_READ)


@pytest.fixture
def sales(written_out):
    return layout_of(tables_of(written_out)[0])


def test_a_window_is_shown_with_its_end_and_the_values_of_its_measures(sales):
    row = dict(zip(sales.column_names, (3, 7, 250_000, 10, 500_000, 4, 1.5, None), strict=True))
    document = stored(sales, (60_000, "/a", "ada"), tuple(row.values()), 1)
    assert document == {
        "window_start": DatetimeMS(60_000),
        "window_end": DatetimeMS(120_000),
        "pageUrl": "/a",
        "userId": "ada",
        **row,
        "revenue": 7.25,
        "mean": 2.625,
        REVISION: 1,
    }
    assert isinstance(document["events"], Int64)


def test_the_mean_of_nothing_is_nothing(sales):
    row = (0, 0, 0, 0, 0, 0, None, None)
    assert sales.shown(row)["mean"] is None
    assert sales.shown(row)["revenue"] == 0


@pytest.mark.parametrize("measure", [Variance("spread"), StandardDeviation("spread")])
def test_a_spread_is_not_shown_as_the_mean_that_its_parts_hold(measure):
    metric = Metric("s", "S", tumbling(minutes=1), (Average("mean"), measure))
    layout = layout_of(tables_of(metric)[0])
    shown = layout.shown((1,) * len(layout.columns))
    assert shown["mean"] == 1.000001
    assert "spread" not in shown


def test_panes_and_side_tables_show_what_they_hold(in_panes, written_out):
    panes, *_ = tables_of(in_panes)
    assert "window_end" not in layout_of(panes).placed((0, "ada"))
    assert "mean" not in layout_of(panes).shown((1,) * len(panes.columns))
    _, users, top = tables_of(written_out)
    assert set(layout_of(users).placed((0, "/a", "ada", -5))) == set(users.primary_key)
    assert layout_of(top).shown((4,)) == {"item_count": 4}


texts = st.text(alphabet="a:1", max_size=4)


@given(st.lists(st.tuples(st.integers(-2, 2), texts, texts, texts), max_size=30, unique=True))
def test_no_two_places_have_the_same_id(places):
    assert len({LEDGER.id_of(place) for place in places}) == len(places)


@given(
    st.lists(st.tuples(st.integers(-2, 2), texts, st.integers(-20, 20)), max_size=30, unique=True)
)
def test_no_two_members_have_the_same_id(places):
    assert len({LEDGER.id_of(place) for place in places}) == len(places)


def test_values_merge_by_the_rules_of_their_columns(sales):
    old = (1, 2, 3, 4, 5, 6, 7.0, None)
    assert sales.merged(old, (1, -2, 3, 0, 0, 1, 8.0, 8.0)) == (2, 0, 6, 4, 5, 7, 7.0, 8.0)
    assert sales.merged(old, (0, 0, 0, 0, 0, 0, None, None)) == old


VERSIONS = ([Int64(7), 70, 1, 1, 1, 1], [Int64(4), 40, 1, 1, 1, 1])


def ledger_document(revision, *before):
    return stored(LEDGER, (0, "s"), (revision * 10, 1, 1, 1, 1, 0, 0), revision, before)


@pytest.mark.parametrize(
    ("revision", "since", "received"),
    [
        *((10, 0, 90), (9, 0, 90), (8, 0, 70), (7, 0, 70), (6, 0, 40), (3, 0, None)),
        *((9, 9, 90), (9, 10, None), (8, 8, None), (7, 7, 70)),
    ],
)
def test_a_reader_gets_the_newest_version_that_is_not_younger_than_its_revision(
    revision, since, received
):
    values = LEDGER.version_at(ledger_document(9, *VERSIONS), revision, since)
    assert (values and values[0]) == received


@pytest.mark.parametrize(
    ("readable", "kept"),
    [
        (Readable(9), [9]),
        (Readable(8), [9, 7]),
        (Readable(7), [9, 7]),
        (Readable(6), [9, 7, 4]),
        (Readable(0), [9, 7, 4]),
        (Readable(9, (8,)), [9, 7]),
        (Readable(9, (5,)), [9, 4]),
        (Readable(9, (4, 7)), [9, 7, 4]),
        (Readable(9, (1, 3)), [9]),
    ],
)
def test_versions_that_nobody_can_read_any_more_are_forgotten(readable, kept):
    versions = LEDGER.versions_before(ledger_document(9, *VERSIONS), readable)
    assert [version[0] for version in versions] == kept
    assert versions[0][1] == 90


def test_the_earliest_revision_that_can_be_read_is_a_kept_one_if_there_is_one():
    assert Readable(5).earliest == 5
    assert Readable(5, (2, 3)).earliest == 2


def test_points_in_time_are_dates_for_people_and_numbers_in_rows():
    span = (9, None, -(2**62), 5)
    document = stored(SPANS, (0, 3), span, 1)
    assert document["max_event_time"] == DatetimeMS(-(2**62))
    assert SPANS.version_at(document, 1) == span
    assert SPANS.versions_before(document, Readable(0)) == [[1, *span]]
    assert list(SPANS.rows_at([document], 1)) == [(0, 3, *span)]


def test_rows_become_columns_of_the_right_types(sales):
    row = (60_000, "/a", "ada", 1, 2, 3, 4, 5, 6, None, None)
    assert sales.frame([row]).rows() == [row]
    assert sales.frame([row]).schema == sales.frame([]).schema == sales.schema
