"""Verified lines as columns."""

import json

import pytest

from rtcdp.events.codec import decode, parse_timestamp_ms
from rtcdp.events.columns import decode_lines, event_ids, line_hashes, split_lines
from rtcdp.events.dead_letter import Rejection


def line(timestamp: str, extra: str = "") -> bytes:
    return f'{{"userId":"u","timestamp":{timestamp},"eventType":"A"{extra}}}\n'.encode()


PLAIN = [
    "1970-01-01T00:00:00.000Z",
    "1969-12-31T23:59:59.999Z",
    "2000-02-29T12:34:56.789Z",
    "1900-03-01T00:00:00.001Z",
    "2100-12-31T23:59:59.000Z",
    "0002-01-01T00:00:00.000Z",
    "9998-12-31T23:59:59.999Z",
]


def test_plain_timestamps_of_many_days() -> None:
    frame = decode_lines(b"".join(line(f'"{text}"') for text in PLAIN), len(PLAIN), ["userId"])
    assert frame["timestamp"].to_list() == [parse_timestamp_ms(text) for text in PLAIN]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_timestamps_of_one_day(text: str) -> None:
    frame = decode_lines(line(f'"{text}"') * 3, 3, ["userId"])
    assert frame["timestamp"].to_list() == [parse_timestamp_ms(text)] * 3


def test_mixed_timestamps() -> None:
    frame = decode_lines(
        line("-5") + line('"2026-01-01T00:00:00+01:00"') + line(f'"{PLAIN[2]}"'), 3, []
    )
    assert frame["timestamp"].to_list() == [-5, 1_767_222_000_000, 951_827_696_789]


def test_as_many_lines_as_are_decoded_in_several_goes_are_all_there() -> None:
    users = [f"{number}-{'u' * (number % 7)}" for number in range(20_000)]
    other_spellings = ("951827696789", '"2000-02-29T12:34:56.7891Z"', '"2000-02-29t12:34:56.789Z"')
    for last in (f'"{PLAIN[2]}"', *other_spellings):
        times = [f'"{PLAIN[2]}"'] * (len(users) - 1) + [last]
        lines = b"".join(
            line(time, f',"eventId":"{user}"') for time, user in zip(times, users, strict=True)
        )
        frame = decode_lines(lines, len(users), ["eventId", "value", "sessionId"])
        assert (
            frame["eventId"].to_list()
            == users
            == [json.loads(text)["eventId"] for text in split_lines(lines)]
        )
        assert set(frame["timestamp"]) == {951_827_696_789}
        assert frame["value"].null_count() == frame["sessionId"].null_count() == len(users)


def test_more_events_than_lines_are_a_fault_and_not_counted() -> None:
    with pytest.raises(AssertionError, match="2 events stand on 1 lines"):
        decode_lines(line("1") * 2, 1, [])


@pytest.mark.parametrize("count", [3, 5_000])
def test_lines_have_one_hash_however_many_there_are(count: int) -> None:
    last = line("1", f',"pageUrl":"{"x" * 300}"')
    hashes = line_hashes(split_lines(line("2") * (count - 1) + last))
    assert len(hashes) == count
    assert hashes[-1] == line_hashes(split_lines(last))[0]


def test_only_the_asked_fields_are_read() -> None:
    frame = decode_lines(line("1", ',"value":2,"productId":"p"'), 1, ["productId"])
    assert frame.columns == ["productId", "timestamp"]


def test_lines_that_the_columnar_parser_refuses_are_decoded_all_the_same() -> None:
    tiny = line("1", ',"x":0.1e-99999999999')
    assert not isinstance(decode(tiny), Rejection)
    fields = ["userId", "eventType", "eventId", "pageUrl", "sessionId"]
    frame = decode_lines(tiny + line("2") * 1_000, 1_001, fields)
    assert frame["timestamp"].to_list() == [1] + [2] * 1_000


def test_lines_are_split_as_they_are() -> None:
    lines = line("1", ',"pageUrl":"/a,b;c\\"d\\""') + b' {"x":"\xc3\xa4"} \n'
    assert "".join(text + "\n" for text in split_lines(lines)).encode() == lines


def test_equal_lines_have_equal_hashes() -> None:
    hashes = line_hashes(split_lines(line("1") + line("2") + line("1")))
    assert hashes[0] == hashes[2] != hashes[1]


REST = '"userId":"u","timestamp":1,"eventType":"A"'


@pytest.mark.parametrize(
    "texts",
    [
        [f'{{"eventId":"a",{REST}}}', f'{{"eventId":"ü ",{REST}}}'],
        [f'{{"eventId": "a", {REST}}}', f'{{"eventId": "{"x" * 100}", {REST}}}'],
        [f'{{"eventId":"a",{REST}}}', f'{{{REST},"eventId":"b"}}', f"{{{REST}}}"],
        [f'{{"eventId":"a",{REST}}}', f'{{"eventId":null,{REST}}}'],
        [f'{{"eventId":"a\\"b",{REST}}}', f'{{"eventId":"a\\u0062",{REST}}}'],
        [f'{{"eventId":"a",{REST},"properties":{{"eventId":"inner"}}}}'],
        [f'{{{REST},"properties":{{"eventId":"inner"}}}}', f'{{"eventId":"eventId",{REST}}}'],
    ],
)
def test_ids_are_told_without_the_rest_of_their_lines(texts: list[str]) -> None:
    lines = "".join(f"{text}\n" for text in texts).encode()
    found = [decode(text.encode()) for text in texts]
    assert not any(isinstance(each, Rejection) for each in found)
    ids = event_ids(lines, split_lines(lines))
    assert ids.to_list() == [each.event_id for each in found if not isinstance(each, Rejection)]


@pytest.mark.parametrize("zero", ["-0.0", "-0", "-0e5", "-1e-400"])
def test_zero_has_no_sign(zero: str) -> None:
    lines = f'{{"userId":"u","timestamp":1,"eventType":"A","value":{zero}}}\n'.encode()
    (value,) = decode_lines(lines, 1, ["value"])["value"]
    assert str(value) == "0.0"


def test_a_value_that_is_not_there_stays_so() -> None:
    lines = b'{"timestamp":1,"value":null}\n{"timestamp":1,"value":2.5}\n'
    assert decode_lines(lines, 2, ["value"])["value"].to_list() == [None, 2.5]


def test_times_of_more_than_six_digits_are_rounded_down() -> None:
    lines = b'{"timestamp":"2026-03-01T11:59:59.999999999Z"}\n{"timestamp":0}\n'
    assert decode_lines(lines, 2, [])["timestamp"].to_list() == [1772366399999, 0]
