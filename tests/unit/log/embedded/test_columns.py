"""Chunks become columns; damaged ones become as many corrupt records as they held."""

import pytest

from rtcdp.log.contract import Delivery
from rtcdp.log.embedded.chunk import MAX_CHUNK_RECORDS, chunks_of
from rtcdp.log.embedded.columns import (
    ODD_WEIGHT,
    UNKNOWN_RECEIVED_AT,
    OffsetsTangled,
    fitted,
    from_record,
    pieces_of,
    records_of,
)

DELIVERIES = [
    Delivery(b"0\n1\n", 2, 10, "web"),
    Delivery(b"2\n4\n", 2, 20, "shop", rejects=((1, b"3"),)),
    Delivery(b"5\n6\n", 2, 30, "web"),
]


def chunks():
    """Three chunks with the offsets [0, 2), [2, 5) and [5, 7)."""
    first_offsets = (0, 2, 5)
    return [
        next(chunks_of([delivery], first_offset))
        for delivery, first_offset in zip(DELIVERIES, first_offsets, strict=True)
    ]


def raws(records):
    return [record.raw for record in records.each()]


def test_sources_of_several_chunks_are_joined():
    records = records_of(list(pieces_of(chunks(), 7)), 0)
    names = [records.sources[code] for code in records.source_codes]
    assert names == ["web", "web", "shop", "shop", "web", "web"]


@pytest.mark.parametrize("start", range(8))
def test_reading_may_start_at_any_record(start):
    records = records_of(list(from_record(pieces_of(chunks(), 7), start)), start)
    assert raws(records) == [b"0", b"1", b"2", b"3", b"4", b"5", b"6"][start:]
    assert records.next_offset == 7


ODD_BYTES = ODD_WEIGHT * (1 + 4)


@pytest.mark.parametrize(
    ("max_bytes", "count"),
    [
        (1, 1),
        (2, 1),
        (1 + ODD_BYTES, 1),
        (2 + ODD_BYTES, 2),
        (3 + ODD_BYTES, 2),
        (4 + ODD_BYTES, 3),
    ],
)
def test_a_large_first_piece_is_cut(max_bytes, count):
    pieces = list(from_record(pieces_of(chunks(), 7), 2))
    assert raws(records_of(fitted(pieces, max_bytes), 2))[:3] == [b"2", b"3", b"4"][:count]


def test_lost_contents_keep_their_count_times_and_sources():
    first, second, third = chunks()
    second = second._replace(lines=b"2\nX\n")
    records = records_of(list(pieces_of([first, second, third], 7)), 0)
    assert records.lines == b"0\n1\n5\n6\n"
    assert [(odd.offset, odd.received_at, odd.source) for odd in records.odd] == [
        (2, 20, "shop"),
        (3, 20, "shop"),
        (4, 20, "shop"),
    ]
    assert all(odd.is_corrupt for odd in records.odd)


def test_the_first_lost_record_has_the_damaged_bytes():
    first, second, third = chunks()
    second = second._replace(lines=b"2\nX\n")
    odd = records_of(list(pieces_of([first, second, third], 7)), 0).odd
    assert b"2\nX\n" in odd[0].raw
    assert [record.raw for record in odd[1:]] == [b"", b""]


@pytest.mark.parametrize(
    "damage", [{"record_count": 4000}, {"spans": b""}, {"received_at_max": 2**60}]
)
def test_a_lost_header_leaves_the_count_that_the_next_chunk_tells(damage):
    first, second, third = chunks()
    records = records_of(list(pieces_of([first, second._replace(**damage), third], 7)), 0)
    assert [odd.offset for odd in records.odd] == [2, 3, 4]
    assert {odd.received_at for odd in records.odd} == {UNKNOWN_RECEIVED_AT}
    assert records.offsets.tolist() == [0, 1, 5, 6]


def test_the_last_chunk_ends_where_the_log_ends():
    *_, third = chunks()
    records = records_of(list(pieces_of([third._replace(record_count=9)], 7)), 5)
    assert [odd.offset for odd in records.odd] == [5, 6]


def test_a_missing_chunk_is_a_hole_of_corrupt_records():
    first, _, third = chunks()
    records = records_of(list(pieces_of([first, third], 7)), 0)
    assert [(odd.offset, odd.raw, odd.is_corrupt) for odd in records.odd] == [
        (2, b"", True),
        (3, b"", True),
        (4, b"", True),
    ]


def test_chunks_that_overlap_are_refused():
    first, second, _ = chunks()
    with pytest.raises(OffsetsTangled):
        list(pieces_of([first, second._replace(record_count=-1)], 1))
    with pytest.raises(OffsetsTangled):
        list(pieces_of([second, first], 5))


def test_a_hole_that_no_chunk_can_explain_is_refused():
    first, *_ = chunks()
    far = next(chunks_of([Delivery(b"x\n", 1, 10)], MAX_CHUNK_RECORDS + 3))
    with pytest.raises(OffsetsTangled):
        list(pieces_of([first, far], MAX_CHUNK_RECORDS + 4))


def test_a_damaged_offset_is_not_believed():
    first, second, third = chunks()
    for wrong in (1, 3, 6, 5899):
        records = records_of(
            list(pieces_of([first, second._replace(first_offset=wrong), third], 7)), 0
        )
        assert records.offsets.tolist() == [0, 1, 5, 6]
        assert [odd.offset for odd in records.odd] == [2, 3, 4]


def test_damaged_neighbours_share_the_gap_between_sound_chunks():
    first, second, third = chunks()
    damaged = [second._replace(spans=b""), third._replace(spans=b"")]
    records = records_of(list(pieces_of([first, *damaged], 7)), 0)
    assert [odd.offset for odd in records.odd] == [2, 3, 4, 5, 6]
    assert [odd.offset for odd in records.odd if odd.raw] == [2, 5]
