import tracemalloc

import pytest

from rtcdp.errors import UsageError
from rtcdp.events.codec import decode
from rtcdp.sources.recorded.mapped_lines import mapped_lines
from rtcdp.sources.recorded.mapping import parse_mapping
from rtcdp.sources.recorded.recorded_file import RecordedFile

NAMES = parse_mapping(
    """
format = "csv"
[fields]
userId = "{who}"
[event_type]
default = "PAGE_VIEW"
[timestamp]
from = "{at}"
format = "epoch_ms"
""",
    "names",
)


@pytest.fixture
def lines_of(tmp_path):
    def lines_of(content, name="names.csv"):
        path = tmp_path / name
        path.write_bytes(content)
        with RecordedFile(path) as file:
            return list(mapped_lines(file, NAMES))

    return lines_of


def test_the_header_names_the_columns_and_is_no_record(lines_of):
    (line,) = lines_of(b"at,more,who\n5,x,ann\n")
    event = decode(line.wire_line())
    assert (event.user_id, event.timestamp_ms) == ("ann", 5)


def test_lines_that_went_by_are_not_kept(tmp_path):
    (tmp_path / "file").write_bytes(b"at,who\n" + (b"5," + b"u" * 10_000 + b"\n") * 2_000)
    with RecordedFile(tmp_path / "file") as file:
        tracemalloc.start()
        assert sum(1 for _ in mapped_lines(file, NAMES)) == 2_000
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_bytes < 12_000_000


def test_a_header_without_a_needed_column_is_refused(lines_of):
    with pytest.raises(UsageError, match=r"names\.csv names no column who"):
        lines_of(b"at,user\n5,ann\n")


def test_an_empty_file_has_no_records(lines_of):
    assert lines_of(b"") == []


def test_a_line_that_is_no_event_stays_as_it_is(lines_of):
    (line,) = lines_of(b"at,who\nann \xff\n")
    assert line.event is None
    assert line.wire_line() == b"ann \xff"


def test_a_line_that_is_an_event_already_is_one_and_gets_an_id(lines_of):
    (line,) = lines_of(b'at,who\n{"userId":"a,b","timestamp":1,"eventType":"A"}\n')
    assert decode(line.wire_line()).event_id == line.event_id


def test_the_time_can_be_moved(lines_of):
    (line,) = lines_of(b"at,who\n5,ann\n")
    assert decode(line.wire_line(shift_ms=10)).timestamp_ms == 15


def test_an_id_says_which_line_of_which_file_it_was(lines_of):
    (line,) = lines_of(b"at,who\n5,ann\n")
    assert line.event_id.startswith("names.csv:2:")


def test_equal_lines_have_different_ids(lines_of):
    lines = lines_of(b"at,who\n5,ann\n5,ann\n5,ann\n")
    assert len({line.event_id for line in lines}) == 3


def test_a_file_that_has_grown_or_was_compressed_has_the_same_ids(lines_of):
    before = [line.event_id for line in lines_of(b"at,who\n5,ann\n6,ben\n")]
    after = [line.event_id for line in lines_of(b"at,who\n5,ann\n6,ben\n7,cem\n", "names.csv.gz")]
    assert after[:2] == before


def test_another_file_of_the_same_name_has_other_ids(lines_of):
    one = [line.event_id for line in lines_of(b"at,who\n5,ann\n6,ben\n")]
    other = [line.event_id for line in lines_of(b"at,who\n4,ann\n6,ben\n")]
    assert not set(one) & set(other)


def test_a_file_with_a_very_long_name_has_valid_ids(lines_of):
    (line,) = lines_of(b"at,who\n5,ann\n", "ä" * 120)
    assert decode(line.wire_line()).event_id == line.event_id


def test_a_quoted_line_break_keeps_a_row_together(lines_of):
    lines = lines_of(b'at,who\n5,"an\nn"\n6,ben\n')
    assert [decode(line.wire_line()).user_id for line in lines] == ["an\nn", "ben"]


def test_a_stray_quote_costs_one_line_only(lines_of):
    lines = lines_of(b'at,who\n5,"ann\n6,ben\n7,"cem\n8,dan\n')
    assert [line.event is None for line in lines] == [True, False, True, False]
    assert [line.text for line in lines] == [b'5,"ann', b"6,ben", b'7,"cem', b"8,dan"]


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n"])
def test_line_breaks_inside_a_quoted_text_stay_as_they_are(lines_of, line_break):
    row = b'5,"ann' + line_break + b'lee"'
    (line,) = lines_of(b"at,who" + line_break + row + line_break)
    assert decode(line.wire_line()).user_id == f"ann{line_break.decode()}lee"


def test_the_id_of_a_row_does_not_hang_on_its_line_breaks(lines_of):
    (unix,) = lines_of(b'at,who\n5,"ann\nlee"\n')
    (windows,) = lines_of(b'at,who\r\n5,"ann\r\nlee"\r\n')
    assert unix.event_id == windows.event_id


def test_a_line_that_does_not_fit_goes_with_the_reason(lines_of):
    (line,) = lines_of(b"at,who\nsoon,ann\n")
    verdict = decode(line.wire_line())
    assert verdict.reason == "not_mapped"
    assert verdict.message == "line 2: column at is 'soon', expected milliseconds since 1970"
    assert b"soon,ann" in line.wire_line()


def test_a_line_that_is_too_long_to_go_with_the_reason_goes_as_it_is(lines_of):
    text = b'soon,"' + b"\xc3\xa4" * 32_740 + b'"'
    (line,) = lines_of(b"at,who\n" + text + b"\n")
    assert line.wire_line() == text
