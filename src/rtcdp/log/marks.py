"""Marks: what a log is known again by when somebody comes back to it.

A log's name tells it from another log, but not from an older copy of itself that has grown anew.
The last record that was counted does: in the copy another one stands in its place, or the same
bytes with another intake time. A mark is of the bytes as they are written: what is made of them
may be another thing later.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rtcdp.log.contract import (
    LogMark,
    LogReader,
    OffsetsMissing,
    RawRecord,
    Records,
    TranslatedLog,
)

_CHECKSUM_BYTES = 8


def mark_of(record: RawRecord) -> LogMark | None:
    """The mark of a record as it is written; None for one whose bytes can't be trusted, or were
    erased."""
    if record.is_corrupt or record.is_erased:
        return None
    digest = hashlib.blake2b(record.raw, digest_size=_CHECKSUM_BYTES)
    digest.update(b"%d %d" % (record.offset, record.received_at))
    return LogMark(record.offset, int.from_bytes(digest.digest(), "big") >> 1)


def last_marks(pieces: Iterable[Records]) -> dict[int, LogMark]:
    """Per partition, the mark of the last record in the pieces, which are in log order."""
    marks: dict[int, LogMark] = {}
    for piece in pieces:
        last = _last_of(piece)
        mark = None if last is None else mark_of(last)
        if mark is not None:
            marks[piece.partition] = mark
    return marks


def marks_before(log: LogReader, next_offsets: Mapping[int, int]) -> dict[int, LogMark]:
    """Per partition, the mark of the record before an offset, for those that have one there."""
    marks: dict[int, LogMark] = {}
    for partition, next_offset in next_offsets.items():
        record = _record_at(log, partition, next_offset - 1)
        mark = None if record is None else mark_of(record)
        if mark is not None:
            marks[partition] = mark
    return marks


def is_known_again(log: LogReader, partition: int, mark: LogMark) -> bool | None:
    """Whether the marked record is in its place; None where that can't be told any more: the log
    doesn't hold that offset, or not its bytes."""
    record = _record_at(log, partition, mark.offset)
    found = None if record is None else mark_of(record)
    return None if found is None else found == mark


def _record_at(log: LogReader, partition: int, offset: int) -> RawRecord | None:
    if offset < log.extent(partition).first_offset:
        return None
    try:
        if isinstance(log, TranslatedLog):
            records = log.read_as_written(partition, offset)
        else:
            records = log.read(partition, offset, 1)
    except OffsetsMissing:
        return None
    first = next(records.each(), None)
    if first is None or first.offset != offset:
        return None
    return _as_written(first, records)


def _as_written(record: RawRecord, piece: Records) -> RawRecord:
    return replace(record, raw=piece.written.get(record.offset, record.raw))


def _last_of(piece: Records) -> RawRecord | None:
    odd = piece.odd[-1] if piece.odd else None
    if not len(piece.offsets) or (odd is not None and odd.offset > int(piece.offsets[-1])):
        return None if odd is None else _as_written(odd, piece)
    start = piece.lines.rfind(b"\n", 0, len(piece.lines) - 1) + 1
    last = RawRecord(
        partition=piece.partition,
        offset=int(piece.offsets[-1]),
        received_at=int(piece.received_at[-1]),
        source=piece.sources[int(piece.source_codes[-1])],
        intake="import" if piece.imported[-1] else "live",
        raw=piece.lines[start:-1],
    )
    return _as_written(last, piece)
