"""From stored chunks to `Records` in columns. Pure.

A chunk whose checksum fails becomes corrupt records, as many as the chunks around it leave room
for; so does a hole between two chunks. What follows is read as if nothing had happened.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rtcdp.breather import Breather
from rtcdp.log.contract import DEFAULT_SOURCE, Int64Array, RawRecord, Records
from rtcdp.log.embedded.chunk import (
    MAX_CHUNK_RECORDS,
    RUN,
    BoolArray,
    Chunk,
    Header,
    OddRecord,
    Runs,
    contents_of,
    header_of,
    line_ends,
    record_sizes,
)

PARTITION = 0
UNKNOWN_RECEIVED_AT = 0
"""The intake time of a record whose chunk lost its header too: it moves no watermark."""


ODD_WEIGHT = 16
"""How much more an odd record's byte counts in a read: each becomes an object of its own, and a
million bad lines of one byte must not fill the reader's memory."""


class OffsetsTangled(Exception):
    """Chunks overlap, or lie further apart than one chunk can explain."""


@dataclass(frozen=True)
class Piece:
    """Consecutive records: `runs` over all of them, the verified lines, the odd records."""

    runs: Runs
    sources: tuple[str, ...]
    lines: bytes
    odd: Sequence[OddRecord]


def pieces_of(chunks: Sequence[Chunk], end: int) -> Iterator[Piece]:
    """Decode chunks that follow each other, the first record at the first chunk's offset.

    Only a sound header says where its chunk begins and ends; what lies between two of them is
    lost, whatever the headers in between claim. `end` is where the log goes on
    after the last chunk. Raises `OffsetsTangled`.
    """
    at = chunks[0].first_offset
    damaged: list[Chunk] = []
    breather = Breather()
    for chunk in chunks:
        breather.breathe()
        header = header_of(chunk)
        if header is None:
            damaged.append(chunk)
            continue
        yield from _gap(at, chunk.first_offset, damaged)
        damaged = []
        contents = contents_of(chunk)
        if contents is None:
            yield _lost(header, {0: _what_is_left_of(chunk)})
        else:
            yield Piece(header.runs, header.sources, *contents)
        at = chunk.first_offset + header.record_count
    yield from _gap(at, end, damaged)


def from_record(pieces: Iterable[Piece], index: int) -> Iterator[Piece]:
    """The pieces without their first `index` records."""
    for piece in pieces:
        count = int(piece.runs["count"].sum())
        if index < count:
            yield _slice(piece, index, count) if index else piece
        index = max(index - count, 0)


def fitted(pieces: Sequence[Piece], max_bytes: int) -> Sequence[Piece]:
    """The pieces, or of a first one that is larger than `max_bytes` as many records as fit into
    it, at least one."""
    first = pieces[0]
    odd_sizes = [ODD_WEIGHT * (len(record.raw) + 4) for record in first.odd]
    if len(first.lines) + sum(odd_sizes) <= max_bytes:
        return pieces
    sizes = record_sizes(_is_odd(first.runs), line_ends(first.lines), odd_sizes)
    fitting = int(np.searchsorted(np.cumsum(sizes), max_bytes, side="right"))
    return [_slice(first, 0, max(fitting, 1))]


def records_of(pieces: Sequence[Piece], first_offset: int) -> Records:
    """Join pieces that follow each other, the first record at `first_offset`."""
    sources = tuple(dict.fromkeys(name for piece in pieces for name in piece.sources))
    codes = {name: code for code, name in enumerate(sources)}
    runs = np.concatenate([np.empty(0, RUN), *(piece.runs for piece in pieces)])
    source_of_run = np.concatenate(
        [
            np.empty(0, np.int64),
            *(
                np.array([codes[name] for name in piece.sources], np.int64)[piece.runs["source"]]
                for piece in pieces
            ),
        ]
    )
    counts = runs["count"].astype(np.int64)
    next_offset = first_offset + int(counts.sum())
    offsets = np.arange(first_offset, next_offset, dtype=np.int64)
    received_at = np.repeat(runs["received_at"].astype(np.int64), counts)
    source_codes = np.repeat(source_of_run, counts)
    imported = np.repeat(runs["imported"], counts)
    odd: tuple[RawRecord, ...] = ()
    if runs["odd"].any():
        is_odd = np.repeat(runs["odd"], counts)
        columns = (offsets, received_at, source_codes, imported)
        odd = _odd_records(
            [record for piece in pieces for record in piece.odd],
            [column[is_odd] for column in columns],
            sources,
        )
        offsets, received_at, source_codes, imported = (column[~is_odd] for column in columns)
    return Records(
        partition=PARTITION,
        first_offset=first_offset,
        next_offset=next_offset,
        lines=b"".join([piece.lines for piece in pieces]),
        offsets=offsets,
        received_at=received_at,
        source_codes=source_codes,
        imported=imported,
        sources=sources,
        odd=odd,
    )


def _odd_records(
    odd: Sequence[OddRecord],
    columns: Sequence[Int64Array | BoolArray],
    sources: tuple[str, ...],
) -> tuple[RawRecord, ...]:
    return tuple(
        RawRecord(
            partition=PARTITION,
            offset=offset,
            received_at=received_at,
            source=sources[code],
            intake="import" if imported else "live",
            raw=record.raw,
            is_corrupt=record.is_corrupt,
            replay_of=record.replay_of,
        )
        for record, offset, received_at, code, imported in zip(
            odd, *(column.tolist() for column in columns), strict=True
        )
    )


def _gap(start: int, stop: int, damaged: Sequence[Chunk]) -> Iterator[Piece]:
    """Corrupt records with the offsets `[start, stop)`, where the damaged chunks were."""
    count = stop - start
    if not 0 <= count <= (len(damaged) + 1) * MAX_CHUNK_RECORDS:
        raise OffsetsTangled(f"after offset {start} comes offset {stop}")
    if count:
        run = (count, 0, False, True, UNKNOWN_RECEIVED_AT)
        left = {chunk.first_offset - start: _what_is_left_of(chunk) for chunk in damaged}
        yield _lost(Header(np.array([run], RUN), (DEFAULT_SOURCE,)), left)


def _lost(header: Header, left: Mapping[int, bytes]) -> Piece:
    """Corrupt records in the place of all records of `header`; `left` has the bytes, by index,
    of those that have any."""
    runs = header.runs.copy()
    runs["odd"] = True
    odd = [OddRecord(left.get(index, b""), is_corrupt=True) for index in range(header.record_count)]
    return Piece(runs, header.sources, b"", odd)


def _what_is_left_of(chunk: Chunk) -> bytes:
    return b"".join(part for part in (chunk.lines, chunk.odd) if isinstance(part, bytes))


def _slice(piece: Piece, start: int, stop: int) -> Piece:
    """The records `[start, stop)` of a piece."""
    ends = np.cumsum(piece.runs["count"], dtype=np.int64)
    begins = ends - piece.runs["count"]
    runs = piece.runs.copy()
    runs["count"] = np.clip(np.minimum(ends, stop) - np.maximum(begins, start), 0, None)
    odd_until = np.concatenate([np.zeros(1, np.int64), np.cumsum(_is_odd(piece.runs))])
    low, high = int(odd_until[start]), int(odd_until[stop])
    line_at = np.concatenate([np.zeros(1, np.int64), line_ends(piece.lines)])
    return Piece(
        runs[runs["count"] > 0],
        piece.sources,
        piece.lines[line_at[start - low] : line_at[stop - high]],
        piece.odd[low:high],
    )


def _is_odd(runs: Runs) -> BoolArray:
    return np.repeat(runs["odd"], runs["count"].astype(np.int64))
