"""Records taken out of the embedded log: their bytes go, their offsets stay.

A chunk is read, packed anew without these records, and put in its own place in one transaction; so
a reader sees it as it was or as it is, and a kill leaves it as one of both. What is freed is
overwritten, and so are pages that were freed before.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rtcdp.log.contract import Delivery, RawRecord, erased_mark
from rtcdp.log.embedded.chunk import Chunk, chunks_of, contents_of, header_of
from rtcdp.log.embedded.columns import pieces_of, records_of
from rtcdp.log.embedded.errors import malformed
from rtcdp.log.embedded.file import PAGE_BYTES, single, transaction

_CHUNK_WITH = "SELECT * FROM chunk WHERE first_offset <= ? ORDER BY first_offset DESC LIMIT 1"
_PAGES_AT_ONCE = 512
_NEXT_PAGE_BYTES = 4
"""What a page of a large blob keeps for the number of the next one."""


def erase_from_chunk(
    connection: sqlite3.Connection, offset: int, wanted: Collection[int], path: Path
) -> tuple[int, int]:
    """Take the `wanted` records out of the chunk that holds `offset`. The caller holds the write
    turn.

    Returns how many were taken out now, and where the chunk ends. Raises `LogFailed` for a chunk
    that is damaged: nobody can tell which of its bytes are whose.
    """
    with transaction(connection, "IMMEDIATE"):
        row = connection.execute(_CHUNK_WITH, (offset,)).fetchone()
        if row is None:
            return 0, offset + 1
        chunk = Chunk._make(row)
        header = header_of(chunk)
        if header is None or contents_of(chunk) is None:
            raise malformed(path, f"the chunk with offset {offset} is damaged: none can be erased")
        end = chunk.first_offset + header.record_count
        records = records_of(list(pieces_of([chunk], end)), chunk.first_offset)
        odd = {record.offset for record in records.odd}
        each = list(records.each())
        gone = {one.offset for one in each if one.offset in wanted and not one.is_erased}
        if gone:
            connection.execute("DELETE FROM chunk WHERE first_offset = ?", (chunk.first_offset,))
            connection.executemany(
                f"INSERT INTO chunk VALUES ({', '.join('?' * len(chunk))})",  # noqa: S608
                list(chunks_of(_without(each, odd, gone), chunk.first_offset)),
            )
    return len(gone), max(end, offset + 1)


def begin_to_overwrite(connection: sqlite3.Connection) -> None:
    """Make room for `overwrite_some`. The caller holds the write turn."""
    connection.execute("DROP TABLE IF EXISTS overwritten")
    connection.execute("CREATE TABLE overwritten (zeros BLOB)")


def overwrite_some(connection: sqlite3.Connection) -> bool:
    """Fill some pages that were freed, and not used again, with zeros; False when there are none.
    The caller holds the write turn."""
    free = single(connection, "PRAGMA freelist_count")
    if not free:
        return False
    size = min(free, _PAGES_AT_ONCE) * (PAGE_BYTES - _NEXT_PAGE_BYTES)
    connection.execute("INSERT INTO overwritten VALUES (zeroblob(?))", (size,))
    return True


def end_overwriting(connection: sqlite3.Connection) -> None:
    """Free what was filled; there is nothing but zeros to hide. The caller holds the write turn."""
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("DROP TABLE overwritten")
    connection.execute("PRAGMA secure_delete = ON")


def _without(
    records: Sequence[RawRecord], odd: Collection[int], gone: Collection[int]
) -> Iterator[Delivery]:
    """The records of a chunk as they would be appended, those that are gone without their bytes."""

    def kind(record: RawRecord) -> tuple[object, ...]:
        is_gone = record.offset in gone
        mark = erased_mark(record.stands_for) if is_gone else record.replay_of
        return record.source, record.intake, record.received_at, mark

    for (*_, mark), group in groupby(records, kind):
        members = list(group)
        first, is_gone = members[0], members[0].offset in gone
        lines = [] if mark else [one.raw + b"\n" for one in members if one.offset not in odd]
        yield Delivery(
            lines=b"".join(lines),
            line_count=len(lines),
            received_at=first.received_at,
            source=first.source,
            intake=first.intake,
            rejects=tuple(
                (place, b"" if is_gone else one.raw)
                for place, one in enumerate(members)
                if mark or one.offset in odd
            ),
            replay_of=str(mark) if mark else None,
        )
