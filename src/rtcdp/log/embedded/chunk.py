"""From deliveries to the chunks that the embedded log stores. Pure.

A chunk holds consecutive records: the verified lines as NDJSON, the odd records (rejects and
replayed dead letters) as a list, and runs that say, in offset order, how many records came when,
from which source, how, and whether they are odd. Many lines are compressed together.

One checksum covers the header (offset, count, times, runs), another one header and contents, as
they are stored: where only the contents are damaged, intake times and sources of the lost records
are still known.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from rtcdp.events.codec import LINE_BREAK, count_of
from rtcdp.events.event import MAX_TIMESTAMP_MS
from rtcdp.log.contract import Delivery, Int64Array

MAX_CHUNK_BYTES = 8 * 2**20
MAX_CHUNK_RECORDS = 100_000
_COMPRESSED_FROM_BYTES = 4_096
_COMPRESSION = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_FAST,
    window_log=17,
    hash_log=14,
    chain_log=6,
    search_log=1,
    min_match=7,
    target_length=0,
)
"""What level 1 does of a long text, in a window that stays in a processor's cache: lines of one
group are alike wherever they stand."""

RUN = np.dtype(
    [("count", "<u4"), ("source", "<u2"), ("imported", "?"), ("odd", "?"), ("received_at", "<i8")]
)
"""A run of records that are alike; `source` is an index into a list of names next to it."""

Runs = npt.NDArray[np.void]
BoolArray = npt.NDArray[np.bool_]


class OddRecord(NamedTuple):
    """A record that is not a verified line."""

    raw: bytes
    replay_of: str | None = None
    is_corrupt: bool = False


class Chunk(NamedTuple):
    """A row of the table `chunk`.

    `line_bytes` is how long `lines` are when they are read; they are compressed (zstd) where that
    is more than they have. Chunks of the first format have no `line_bytes`.
    """

    first_offset: int
    record_count: int
    received_at_min: int
    received_at_max: int
    header_checksum: int
    checksum: int
    spans: bytes
    odd: bytes
    lines: bytes
    line_bytes: int | None = None


@dataclass(frozen=True)
class Header:
    """What a chunk says of its records, decoded: `runs` with their `sources`."""

    runs: Runs
    sources: tuple[str, ...]

    @property
    def record_count(self) -> int:
        return int(self.runs["count"].sum())


_encode = msgspec.msgpack.Encoder().encode
_decode_spans = msgspec.msgpack.Decoder(tuple[tuple[str, ...], bytes]).decode
_decode_odd = msgspec.msgpack.Decoder(list[tuple[bytes, str | None]]).decode


class LinesPacker:
    """Puts the lines of a group together, compressed where that makes them shorter.

    It keeps what it works with, up to the size of the longest group: to ask the system for so much
    memory anew for each commit takes longer than to fill it. For one thread at a time.
    """

    def __init__(self) -> None:
        self._compress = zstandard.ZstdCompressor(compression_params=_COMPRESSION).compress
        self._room = bytearray()

    def packed(self, texts: Sequence[bytes]) -> tuple[bytes, int]:
        """The texts as one, as it is stored, and how long it is when it is read."""
        length = sum(map(len, texts))
        if length < _COMPRESSED_FROM_BYTES:
            return b"".join(texts), length
        compressed = self._compress(self._together(texts, length))
        return (compressed if len(compressed) < length else b"".join(texts)), length

    def _together(self, texts: Sequence[bytes], length: int) -> bytes | memoryview:
        if len(texts) == 1:
            return texts[0]
        if len(self._room) < length:
            self._room = bytearray(length)
        room, end = memoryview(self._room)[:length], 0
        for text in texts:
            start, end = end, end + len(text)
            room[start:end] = text
        return room


def check_delivery(delivery: Delivery) -> None:
    """Raise `ValueError` for a delivery that contradicts itself: stored, it would shift the
    offsets of its neighbours."""
    lines = delivery.lines
    if count_of(LINE_BREAK, lines) != delivery.line_count or not (
        lines.endswith(b"\n") or not lines
    ):
        raise ValueError("`lines` must hold `line_count` lines, every one ended by a newline")
    places = [index for index, _ in delivery.rejects]
    if any(b <= a for a, b in zip([-1, *places], places, strict=False)):
        raise ValueError("`rejects` must be sorted by index, every index once and not negative")
    if places and places[-1] >= delivery.record_count:
        raise ValueError("an index in `rejects` lies behind the end of its delivery")
    if not 0 <= delivery.received_at <= MAX_TIMESTAMP_MS:
        raise ValueError("`received_at` must be UTC milliseconds from 1970 to 9999")
    delivery.source.encode()


def chunks_of(
    deliveries: Iterable[Delivery],
    first_offset: int,
    max_chunk_bytes: int = MAX_CHUNK_BYTES,
    packer: LinesPacker | None = None,
) -> Iterator[Chunk]:
    """Pack deliveries into chunks of at most about `max_chunk_bytes` and `MAX_CHUNK_RECORDS`.

    The first record gets `first_offset`, the others follow without a gap. Who packs often brings a
    `packer`.
    """
    packer = packer or LinesPacker()
    group: list[Delivery] = []
    group_bytes = group_records = 0
    deliveries = (delivery for delivery in deliveries if delivery.record_count)
    for part in (part for delivery in deliveries for part in _parts_of(delivery, max_chunk_bytes)):
        part_bytes, part_records = _bytes_of(part), part.record_count
        if group and (
            group_bytes + part_bytes > max_chunk_bytes
            or group_records + part_records > MAX_CHUNK_RECORDS
        ):
            yield _chunk(group, first_offset, packer)
            first_offset += group_records
            group, group_bytes, group_records = [], 0, 0
        group.append(part)
        group_bytes += part_bytes
        group_records += part_records
    if group:
        yield _chunk(group, first_offset, packer)


def header_of(chunk: Chunk) -> Header | None:
    """The header, or None when its checksum fails. The columns may hold anything."""
    if not _are_whole_numbers(chunk[:6]) or not isinstance(chunk.spans, bytes):
        return None
    if _header_checksum(chunk) != chunk.header_checksum:
        return None
    sources, runs = _decode_spans(chunk.spans)
    return Header(np.frombuffer(runs, RUN), sources)


def contents_of(chunk: Chunk) -> tuple[bytes, list[OddRecord]] | None:
    """The lines and the odd records, or None when the checksum over them fails, or
    the lines are not as long as the chunk says."""
    if not isinstance(chunk.lines, bytes) or not isinstance(chunk.odd, bytes):
        return None
    if type(chunk.line_bytes) not in (int, NoneType):
        return None
    if _checksum(chunk) != chunk.checksum:
        return None
    odd = [OddRecord(raw, replay_of) for raw, replay_of in _decode_odd(chunk.odd)]
    lines, length = chunk.lines, chunk.line_bytes
    if length is not None and length != len(lines):
        try:
            if zstandard.frame_content_size(lines) != length:
                return None
            lines = zstandard.ZstdDecompressor().decompress(lines)
        except zstandard.ZstdError:
            return None
    return lines, odd


def stored_bytes(chunk: Chunk) -> int:
    """About what a chunk takes up."""
    return len(chunk.lines) + len(chunk.odd) + len(chunk.spans)


def line_ends(lines: bytes) -> Int64Array:
    """The position behind each newline."""
    return np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n")) + 1


def record_sizes(is_odd: BoolArray, ends: Int64Array, odd_sizes: Sequence[int]) -> Int64Array:
    """The bytes of each record, in order; `ends` are the line ends of the others."""
    sizes = np.empty(len(is_odd), np.int64)
    sizes[is_odd] = odd_sizes
    sizes[~is_odd] = np.diff(ends, prepend=0)
    return sizes


def _parts_of(delivery: Delivery, max_chunk_bytes: int) -> Iterator[Delivery]:
    """The delivery itself, or several shorter ones in its place if it is too large for a chunk."""
    count = delivery.record_count
    if _bytes_of(delivery) <= max_chunk_bytes and count <= MAX_CHUNK_RECORDS:
        yield delivery
        return
    places = np.array([index for index, _ in delivery.rejects], np.int64)
    is_reject = np.zeros(count, np.bool_)
    is_reject[places] = True
    ends = line_ends(delivery.lines)
    sizes = record_sizes(is_reject, ends, [len(raw) for _, raw in delivery.rejects])
    bytes_until = np.cumsum(sizes)
    ends = np.concatenate([np.zeros(1, np.int64), ends])
    start = 0
    while start < count:
        allowed = max_chunk_bytes + (bytes_until[start - 1] if start else 0)
        stop = int(np.searchsorted(bytes_until, allowed, side="right"))
        stop = min(max(stop, start + 1), start + MAX_CHUNK_RECORDS, count)
        low, high = (int(n) for n in np.searchsorted(places, [start, stop]))
        yield replace(
            delivery,
            lines=delivery.lines[ends[start - low] : ends[stop - high]],
            line_count=stop - start - (high - low),
            rejects=tuple((index - start, raw) for index, raw in delivery.rejects[low:high]),
        )
        start = stop


def _bytes_of(delivery: Delivery) -> int:
    return len(delivery.lines) + sum(len(raw) for _, raw in delivery.rejects)


def _chunk(group: Sequence[Delivery], first_offset: int, packer: LinesPacker) -> Chunk:
    sources = tuple(dict.fromkeys(delivery.source for delivery in group))
    codes = {name: code for code, name in enumerate(sources)}
    runs: list[tuple[int, int, bool, bool, int]] = []
    lines: list[bytes] = []
    odd: list[tuple[bytes, str | None]] = []
    for delivery in group:
        alike = codes[delivery.source], delivery.intake == "import"
        for count, is_odd in _counts_of(delivery):
            kind = (*alike, is_odd, delivery.received_at)
            before = runs.pop()[0] if runs and runs[-1][1:] == kind else 0
            runs.append((before + count, *kind))
        if delivery.replay_of is None:
            lines.append(delivery.lines)
            odd.extend((raw, None) for _, raw in delivery.rejects)
        else:
            odd.extend((raw, delivery.replay_of) for raw in _in_order(delivery))
    stored, line_bytes = packer.packed(lines)
    return _sealed(
        Chunk(
            first_offset=first_offset,
            record_count=sum(run[0] for run in runs),
            received_at_min=min(run[4] for run in runs),
            received_at_max=max(run[4] for run in runs),
            header_checksum=0,
            checksum=0,
            spans=_encode((sources, np.array(runs, RUN).tobytes())),
            odd=_encode(odd),
            lines=stored,
            line_bytes=line_bytes,
        )
    )


def _counts_of(delivery: Delivery) -> Iterator[tuple[int, bool]]:
    """How many records in a row are verified lines (False) or odd (True), in order."""
    if delivery.replay_of is not None:
        if delivery.record_count:
            yield delivery.record_count, True
        return
    position = 0
    for index, _ in delivery.rejects:
        if index > position:
            yield index - position, False
        yield 1, True
        position = index + 1
    if delivery.record_count > position:
        yield delivery.record_count - position, False


def _in_order(delivery: Delivery) -> Iterator[bytes]:
    lines = iter(delivery.lines.split(b"\n"))
    rejects = dict(delivery.rejects)
    for index in range(delivery.record_count):
        yield rejects[index] if index in rejects else next(lines)


def _sealed(chunk: Chunk) -> Chunk:
    chunk = chunk._replace(header_checksum=_header_checksum(chunk))
    return chunk._replace(checksum=_checksum(chunk))


def _header_checksum(chunk: Chunk) -> int:
    numbers = np.array(chunk[:4], "<i8").tobytes()
    return zlib.crc32(chunk.spans, zlib.crc32(numbers))


def _checksum(chunk: Chunk) -> int:
    """Over the lengths too, so that a byte can't move from one column to the other."""
    lengths = [chunk.header_checksum, len(chunk.odd), len(chunk.lines)]
    if chunk.line_bytes is not None:
        lengths.append(chunk.line_bytes)
    seed = np.array(lengths, "<i8").tobytes()
    return zlib.crc32(chunk.lines, zlib.crc32(chunk.odd, zlib.crc32(seed)))


def _are_whole_numbers(values: Sequence[Any]) -> bool:
    return all(type(value) is int for value in values)
