"""Messages become records: what the value, the time and the headers mean."""

import numpy as np
import pytest

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.contract import DEFAULT_SOURCE, summary_mark
from rtcdp.log.envelope import UNKNOWN_RECEIVED_AT, WireBatch, headers_for, records_of
from rtcdp.telemetry import TRACES_MAX

GOOD = b'{"userId":"u","timestamp":1,"eventType":"A"}'


def read(*values, timestamps=None, headers=None, is_ours=False):
    count = len(values)
    times = [7] * count if timestamps is None else timestamps
    offsets = np.arange(10, 10 + count, dtype=np.int64)
    batch = WireBatch(3, 10, 10 + count, values, offsets, np.array(times, np.int64), headers)
    return records_of(batch, is_ours=is_ours)


@pytest.mark.parametrize(
    ("value", "is_line"),
    [
        (GOOD, True),
        (b" " + GOOD + b"\t", True),
        (GOOD.replace(b'"u"', b'"\\u00e4"'), True),
        (GOOD.replace(b"{", b'{"unknown":1,'), True),
        (GOOD + b"\n", False),
        (GOOD.replace(b",", b",\n"), False),
        (GOOD + b"\r", False),
        (GOOD + b"\n" + GOOD, False),
        (b"\xef\xbb\xbf" + GOOD, False),
        (b"", False),
        (None, False),
        (b"[]", False),
        (b"\xff", False),
    ],
)
def test_a_value_is_a_line_if_it_is_an_event_on_one_line(value, is_line) -> None:
    records = read(GOOD, value, GOOD)
    assert records.offsets.tolist() == ([10, 11, 12] if is_line else [10, 12])
    assert [(record.offset, record.raw) for record in records.odd] == (
        [] if is_line else [(11, value or b"")]
    )
    assert records.lines.count(b"\n") == len(records.offsets)


def test_bad_values_are_found_wherever_they_are() -> None:
    values = [b"{bad" if place % 97 == 5 else GOOD for place in range(1_000)]
    records = read(*values)
    expected = [10 + n for n, value in enumerate(values) if isinstance(decode(value), Rejection)]
    assert [record.offset for record in records.odd] == expected
    assert len(records.offsets) == 1_000 - len(expected)


@pytest.mark.parametrize("bad", [b"{bad", GOOD + b"\n" + GOOD, b"", None])
@pytest.mark.parametrize("places", [[], [0], [1_023], [1_024], [1_500, 2_047, 2_048], [2_999]])
def test_bad_values_are_found_behind_many_good_ones(bad: bytes | None, places: list[int]) -> None:
    values: list[bytes | None] = [GOOD] * 3_000
    for place in places:
        values[place] = bad
    records = read(*values)
    assert [record.offset - 10 for record in records.odd] == places
    assert records.lines == (GOOD + b"\n") * (3_000 - len(places))


def test_the_intake_time_is_the_message_s_and_0_where_it_has_none() -> None:
    times = [5, -1, 10**18]
    records = read(GOOD, GOOD, GOOD, timestamps=times)
    assert records.received_at.tolist() == [5, UNKNOWN_RECEIVED_AT, UNKNOWN_RECEIVED_AT]


def test_headers_say_what_the_value_can_t() -> None:
    headers = [None, headers_for("shop", "import", None), headers_for("web", "live", "0:4")]
    records = read(GOOD, GOOD, GOOD, headers=headers)
    assert [records.sources[code] for code in records.source_codes] == [DEFAULT_SOURCE, "shop"]
    assert records.imported.tolist() == [False, True]
    (replayed,) = records.odd
    assert (replayed.offset, replayed.source, replayed.replay_of) == (12, "web", "0:4")


def test_a_plain_record_needs_no_headers() -> None:
    assert headers_for(DEFAULT_SOURCE, "live", None) == []


@pytest.mark.parametrize("source", [b"", b"Two Words", b"x" * 65, b"a\nb", b"\xff"])
def test_a_source_that_the_collector_would_not_take_is_the_default_one(source) -> None:
    records = read(GOOD, headers=[[("rtcdp-source", source), ("other", None)]])
    assert [records.sources[code] for code in records.source_codes] == [DEFAULT_SOURCE]


def test_a_summary_stands_for_as_many_as_its_header_says():
    marks = headers_for("web", "live", summary_mark(9_900))
    records = read(b"{}", GOOD, headers=[marks, None])
    assert (records.record_count, records.received_count) == (2, 9_901)


def test_a_trace_goes_with_a_message_and_is_taken_notice_of() -> None:
    trace = f"00-{1:032x}-{2:016x}-01"
    ours = headers_for("shop", "live", None, trace)
    unsampled = [("traceparent", f"{trace[:-1]}0".encode())]
    strange = [("traceparent", b"canary@mail.example")]
    records = read(GOOD, GOOD, GOOD, GOOD, headers=[ours, unsampled, strange, ours])
    assert records.traces == (trace,)
    assert records.sources[records.source_codes[0]] == "shop"
    assert len(records.offsets) == 4
    assert read(GOOD, headers=[headers_for("shop", "live", None)]).traces == ()


def test_of_very_many_traces_some_are_taken_notice_of() -> None:
    headers = [
        headers_for(DEFAULT_SOURCE, "live", None, f"00-{n:032x}-{2:016x}-01") for n in range(99)
    ]
    assert len(read(*[GOOD] * 99, headers=headers).traces) == TRACES_MAX


BAD = b'{"userId":1}'
JUDGED = headers_for("shop", "live", None, is_judged=True)


def odd_places(*records, is_ours=True):
    """Which of these values and headers are no lines."""
    values, headers = zip(*records, strict=True)
    found = read(*values, headers=list(headers), is_ours=is_ours)
    assert len(found.offsets) + len(found.odd) == len(records)
    assert found.lines.count(b"\n") == len(found.offsets)
    return [record.offset - 10 for record in found.odd]


def test_what_our_collector_marked_is_believed_where_the_topic_is_ours() -> None:
    """That it is not looked at again shows in what no collector would mark."""
    records = [(GOOD, None), (BAD, JUDGED), (GOOD, JUDGED), (BAD, None)]
    assert odd_places(*records) == [3]
    assert odd_places(*records, is_ours=False) == [1, 3]


def test_others_in_a_topic_of_ours_are_judged() -> None:
    shop = headers_for("shop", "live", None)
    older = [("rtcdp-judged", b"0")]
    stranger = [("judged", b"1")]
    assert odd_places(*[(BAD, each) for each in (None, [], shop, older, stranger)]) == [*range(5)]
    assert odd_places((BAD, JUDGED), *[(GOOD, shop)] * 600, (BAD, shop)) == [601]


@pytest.mark.parametrize("lie", [GOOD + b"\n" + GOOD, GOOD + b"\n", b"\n", None])
def test_a_mark_on_what_is_no_line_makes_none_of_its_neighbours_believed(lie) -> None:
    """Each line's offset hangs on the breaks before it."""
    assert odd_places((GOOD, JUDGED), (lie, JUDGED), (BAD, JUDGED), (GOOD, JUDGED)) == [1, 2]


def test_a_judged_record_that_repeats_a_dead_letter_is_still_told_apart() -> None:
    again = headers_for("web", "live", "0:4", is_judged=True)
    records = read(GOOD, GOOD, GOOD, BAD, headers=[JUDGED, again, JUDGED, []], is_ours=True)
    assert [(each.offset, each.source, each.replay_of) for each in records.odd] == [
        (11, "web", "0:4"),
        (13, DEFAULT_SOURCE, None),
    ]
    assert [records.sources[code] for code in records.source_codes] == ["shop", "shop"]
