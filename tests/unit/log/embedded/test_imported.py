"""A piece of a recorded file is in the log once, whoever sends it and however often."""

import random
import sqlite3
from dataclasses import replace

import pytest

from rtcdp.clock import ManualClock
from rtcdp.log.contract import Delivery, LogFull
from rtcdp.log.embedded import EmbeddedLogWriter, imported
from rtcdp.log.piece import Piece

FIRST = Piece("0" * 32, "a" * 32, 8, "day.csv")


def delivery(piece, count=2):
    return Delivery(b"{}\n" * count, count, 5, intake="import", piece=piece)


def test_a_piece_is_appended_once_also_by_another_writer(directory, writer, reader):
    assert writer.pieces_after(FIRST.after) == []
    assert [each.record_count for each in writer.append([delivery(FIRST)])] == [2]
    other = EmbeddedLogWriter(directory, ManualClock())
    again = other.append([delivery(replace(FIRST)), delivery(None, 1)])
    assert [(each.first_offset, each.record_count) for each in again] == [(2, 0), (2, 1)]
    assert other.pieces_after(FIRST.after) == [FIRST]
    assert other.pieces_after(FIRST.key) == []
    other.close()
    assert reader.extent(0).next_offset == 3


def test_of_one_group_the_first_of_two_senders_has_it_with_all_its_deliveries(writer):
    summary = delivery(FIRST, 1)
    group = [summary, delivery(FIRST), delivery(replace(FIRST)), delivery(replace(FIRST))]
    assert [each.record_count for each in writer.append(group)] == [1, 2, 0, 0]


def test_what_was_not_appended_is_not_known(directory):
    writer = EmbeddedLogWriter(directory, ManualClock(), max_bytes=1_000_000)
    noise = random.Random(1).randbytes(2_000_000).replace(b"\n", b"x")
    with pytest.raises(LogFull):
        writer.append([replace(delivery(FIRST), lines=noise + b"\n", line_count=1)])
    assert writer.pieces_after(FIRST.after) == []
    assert [each.record_count for each in writer.append([delivery(FIRST)])] == [2]
    writer.close()


def test_of_very_many_pieces_that_follow_one_text_the_latest_are_told():
    connection = sqlite3.connect(":memory:")
    connection.text_factory = bytes
    pieces = [replace(FIRST, key=f"{number:032x}") for number in range(10_010)]
    each = [replace(delivery(piece), received_at=at) for at, piece in enumerate(pieces)]
    imported.register(connection, each)
    told = imported.pieces_after(connection, FIRST.after)
    assert {piece.key for piece in told} == {piece.key for piece in pieces[10:]}
    connection.close()
