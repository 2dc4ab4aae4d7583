"""Chunks: how deliveries are packed, and that no damage goes unseen."""

import random

import pytest
import zstandard

from rtcdp.log.contract import Delivery
from rtcdp.log.embedded.chunk import (
    MAX_CHUNK_RECORDS,
    LinesPacker,
    check_delivery,
    chunks_of,
    contents_of,
    header_of,
)

ZSTD = zstandard.ZstdCompressor()
LINES = b"a\n" * 3_000


def only_chunk(*deliveries, first_offset=0):
    (chunk,) = chunks_of(deliveries, first_offset)
    return chunk


def test_a_group_is_one_chunk():
    chunk = only_chunk(Delivery(b"a\nb\n", 2, 9), Delivery(b"c\n", 1, 4), first_offset=7)
    assert chunk[:4] == (7, 3, 4, 9)
    assert chunk.lines == b"a\nb\nc\n"


def test_neighbours_that_are_alike_share_a_run():
    chunk = only_chunk(
        Delivery(b"a\n", 1, 5, "web"),
        Delivery(b"b\nc\n", 2, 5, "web"),
        Delivery(b"d\n", 1, 6, "web"),
        Delivery(b"e\n", 1, 6, "shop"),
        Delivery(b"f\n", 1, 6, "shop", intake="import"),
    )
    assert header_of(chunk).runs["count"].tolist() == [3, 1, 1, 1]


def test_empty_deliveries_make_no_chunk():
    assert list(chunks_of([Delivery(b"", 0, 5), Delivery(b"", 0, 5, replay_of="0:1")], 0)) == []


def test_a_large_group_becomes_several_chunks_without_a_gap():
    deliveries = [Delivery(b"123456789\n" * 3, 3, 5)] * 4
    chunks = list(chunks_of(deliveries, 100, max_chunk_bytes=60))
    assert [(chunk.first_offset, chunk.record_count) for chunk in chunks] == [(100, 6), (106, 6)]


def test_a_large_delivery_is_split_between_records():
    delivery = Delivery(b"1\n22\n4444\n", 3, 5, rejects=((0, b"0"), (3, b"333")))
    chunks = list(chunks_of([delivery], 0, max_chunk_bytes=6))
    assert [(chunk.first_offset, chunk.lines) for chunk in chunks] == [
        (0, b"1\n22\n"),
        (3, b""),
        (4, b"4444\n"),
    ]
    assert [[odd.raw for odd in contents_of(chunk)[1]] for chunk in chunks] == [
        [b"0"],
        [b"333"],
        [],
    ]


def test_a_record_larger_than_a_chunk_has_one_of_its_own():
    chunks = list(chunks_of([Delivery(b"a\n" + b"b" * 50 + b"\nc\n", 3, 5)], 0, 10))
    assert [chunk.record_count for chunk in chunks] == [1, 1, 1]


def test_the_number_of_records_in_a_chunk_is_limited():
    delivery = Delivery(b"\n" * (MAX_CHUNK_RECORDS + 1), MAX_CHUNK_RECORDS + 1, 5)
    assert [chunk.record_count for chunk in chunks_of([delivery], 0)] == [MAX_CHUNK_RECORDS, 1]


@pytest.mark.parametrize("column", ["first_offset", "record_count", "received_at_max", "spans"])
def test_a_damaged_header_is_seen(column):
    chunk = only_chunk(Delivery(b"a\n", 1, 5))
    assert header_of(chunk._replace(**{column: altered(getattr(chunk, column))})) is None


@pytest.mark.parametrize("column", ["lines", "odd", "header_checksum", "checksum"])
def test_damaged_contents_are_seen(column):
    chunk = only_chunk(Delivery(b"a\n", 1, 5, rejects=((1, b"?"),)))
    assert contents_of(chunk._replace(**{column: altered(getattr(chunk, column))})) is None


@pytest.mark.parametrize("nothing", [None, 1.5, "text"])
def test_a_column_of_another_type_is_damage(nothing):
    chunk = only_chunk(Delivery(b"a\n", 1, 5))
    assert header_of(chunk._replace(received_at_min=nothing)) is None
    assert header_of(chunk._replace(spans=nothing)) is None
    assert contents_of(chunk._replace(lines=nothing)) is None


@pytest.mark.parametrize(
    "stored",
    [b"", ZSTD.compress(b"a\n" * 4_000), ZSTD.compress(b"a\n"), ZSTD.compress(LINES)[:-2]],
    ids=["nothing", "more", "less", "cut"],
)
def test_lines_of_another_length_than_is_said_are_damage(stored, monkeypatch):
    """Under a checksum that fits, as a hand that edits a file would leave it."""
    monkeypatch.setattr(LinesPacker, "packed", lambda _, texts: (stored, sum(map(len, texts))))
    assert contents_of(only_chunk(Delivery(LINES, 3_000, 5))) is None


def test_a_byte_can_not_move_between_lines_and_odd_records():
    chunk = only_chunk(Delivery(b"a\n", 1, 5))
    moved = chunk._replace(odd=chunk.odd + chunk.lines, lines=b"")
    assert contents_of(moved) is None


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery(b"a\nb\n", 1, 5),
        Delivery(b"a\nb", 1, 5),
        Delivery(b"a", 0, 5),
        Delivery(b"a\n", 1, 5, rejects=((2, b"x"),)),
        Delivery(b"a\n", 1, 5, rejects=((-1, b"x"),)),
        Delivery(b"a\n", 1, 5, rejects=((1, b"x"), (0, b"y"))),
        Delivery(b"a\n", 1, 5, rejects=((0, b"x"), (0, b"y"))),
        Delivery(b"a\n", 1, -1),
        Delivery(b"a\n", 1, 2**62),
        Delivery(b"a\n", 1, 5, source="\ud800"),
    ],
)
def test_a_delivery_that_contradicts_itself_is_refused(delivery):
    with pytest.raises(ValueError, match=r".+"):
        check_delivery(delivery)


def altered(value):
    return value + 1 if isinstance(value, int) else value[:-1] + bytes([value[-1] ^ 1])


def test_a_packer_that_is_kept_packs_each_group_as_a_new_one_does():
    noise = [bytes(random.Random(n).randbytes(3_000)).replace(b"\n", b"") + b"\n" for n in range(4)]
    alike = [b'{"n":%d}\n' % n * 2_000 for n in range(3)]
    packer = LinesPacker()
    # A long group, a shorter one, one text, what no compression makes shorter, and next to nothing.
    for texts in (alike, alike[1:], alike[2:], noise, [*alike, *noise], [b"a\n"], []):
        group = [Delivery(text, text.count(b"\n"), 5) for text in texts]
        kept = list(chunks_of(group, 3, packer=packer))
        assert kept == list(chunks_of(group, 3))
        assert b"".join(contents_of(chunk)[0] for chunk in kept) == b"".join(texts)
        assert all(len(chunk.lines) <= chunk.line_bytes for chunk in kept)
