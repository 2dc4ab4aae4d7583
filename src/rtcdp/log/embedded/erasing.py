"""Records taken out of the embedded log: their bytes go, their offsets stay.

A chunk is read, packed anew without these records, and put in its own place in one transaction; so
a reader sees it as it was or as it is, and a kill leaves it as one of both. Then the file is
written anew.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rtcdp.log.contract import Delivery, LogUnavailable, RawRecord, erased_mark
from rtcdp.log.embedded.chunk import Chunk, chunks_of, contents_of, header_of
from rtcdp.log.embedded.columns import pieces_of, records_of
from rtcdp.log.embedded.file import INSERT_CHUNK, bring_up_to_date, transaction

_READERS_PATIENCE_MS = 250
"""How long to wait for readers before the file is written anew. Appends wait as well."""

_CHUNK_WITH = (
    "SELECT first_offset, record_count, received_at_min, received_at_max, header_checksum,"
    " checksum, spans, odd, lines, line_bytes FROM chunk WHERE first_offset <= ?"
    " ORDER BY first_offset DESC LIMIT 1"
)

_BLANK = "UPDATE chunk SET odd = zeroblob(1), lines = x'' WHERE first_offset = ?"
"""No chunk has these contents, whose checksum fails then."""


def erase_from_chunk(
    connection: sqlite3.Connection,
    offset: int,
    wanted: Collection[int],
    mark: Callable[[int], str] = erased_mark,
) -> tuple[int, int]:
    """Take the `wanted` records out of the chunk that holds `offset`; `mark` says what is left of
    each. The caller holds the write turn.

    Returns how many were taken out now, and where the chunk ends. Of a chunk that is damaged nobody
    can tell which bytes are whose: it loses all of them, and stays damaged, which whoever reads it
    is told as before.
    """
    bring_up_to_date(connection)
    with transaction(connection, "IMMEDIATE"):
        row = connection.execute(_CHUNK_WITH, (offset,)).fetchone()
        if row is None:
            return 0, offset + 1
        chunk = Chunk._make(row)
        header = header_of(chunk)
        if header is None or contents_of(chunk) is None:
            connection.execute(_BLANK, (chunk.first_offset,))
            end = offset if header is None else chunk.first_offset + header.record_count
            return 0, max(end, offset + 1)
        end = chunk.first_offset + header.record_count
        records = records_of(list(pieces_of([chunk], end)), chunk.first_offset)
        odd = {record.offset for record in records.odd}
        each = list(records.each())
        gone = {one.offset for one in each if one.offset in wanted and not one.is_erased}
        if gone:
            connection.execute("DELETE FROM chunk WHERE first_offset = ?", (chunk.first_offset,))
            connection.executemany(
                INSERT_CHUNK, list(chunks_of(_without(each, odd, gone, mark), chunk.first_offset))
            )
    return len(gone), max(end, offset + 1)


def write_anew(connection: sqlite3.Connection, path: Path) -> None:
    """Write the file anew, so that no page holds anything but what is there, and empty its WAL.
    Needs as much room again for a while. The caller holds the write turn.

    Overwriting what is deleted would not do: pages that were freed and used again hold old bytes
    behind the new ones. Raises `LogUnavailable` while a reader keeps the WAL from being emptied.
    """
    ((patience_ms,),) = connection.execute("PRAGMA busy_timeout").fetchall()
    connection.execute(f"PRAGMA busy_timeout = {min(patience_ms, _READERS_PATIENCE_MS)}")
    # Before the work: tried again and again, it would fill a WAL that nobody can empty.
    _empty_wal(connection, path)
    connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
    # What it works on would be as large as the file.
    connection.execute("PRAGMA temp_store = FILE")
    connection.execute("VACUUM")
    _empty_wal(connection, path)


def empty_wal(connection: sqlite3.Connection) -> bool:
    """Write back what is in the WAL, and empty it; False while a reader keeps it from being
    emptied. The caller holds the write turn."""
    ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return not busy


def _empty_wal(connection: sqlite3.Connection, path: Path) -> None:
    if not empty_wal(connection):
        raise LogUnavailable(
            f"somebody reads {path}, so that its WAL can't be emptied",
            "end what has been reading it for long, and try again",
        )


def _without(
    records: Sequence[RawRecord],
    odd: Collection[int],
    gone: Collection[int],
    mark_of: Callable[[int], str],
) -> Iterator[Delivery]:
    """The records of a chunk as they would be appended, those that are gone without their bytes."""

    def kind(record: RawRecord) -> tuple[object, ...]:
        is_gone = record.offset in gone
        mark = mark_of(record.stands_for) if is_gone else record.replay_of
        return record.source, record.intake, record.received_at, mark

    for (*_, mark), group in groupby(records, kind):
        members = list(group)
        first = members[0]
        lines = [] if mark else [one.raw + b"\n" for one in members if one.offset not in odd]
        yield Delivery(
            lines=b"".join(lines),
            line_count=len(lines),
            received_at=first.received_at,
            source=first.source,
            intake=first.intake,
            rejects=tuple(
                (place, b"" if one.offset in gone else one.raw)
                for place, one in enumerate(members)
                if mark or one.offset in odd
            ),
            replay_of=str(mark) if mark else None,
        )
