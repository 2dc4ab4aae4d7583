"""What a file holds, whether it is compressed or not, which its first bytes tell."""

import gzip
import io
import re
import zlib
from collections.abc import Iterator

import zstandard

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""Frames that hold nothing to read, which may come first (RFC 8878, 3.1.2)."""

MAGIC_BYTES = 4
"""So many first bytes tell what a file is."""

_ZSTD_INPUT_BYTES = 512
"""So little at once that even the worst that a frame can hold of one byte fits into memory."""
_ZSTD_WINDOW_BYTES = 128 * 2**20
"""What `zstd --long` may ask for without being told so when it is read again."""

SUFFIXES = (".gz", ".zst")
"""What the names of compressed files end in."""


class Damaged(Exception):
    """The compressed stream is broken from here on."""


def is_gzip(start: bytes) -> bool:
    """Whether what starts like that is gzip."""
    return start.startswith(_GZIP_MAGIC)


def is_zstd(start: bytes) -> bool:
    """Whether what starts like that is zstd."""
    return start.startswith(_ZSTD_MAGIC) or _ZSTD_SKIPPABLE.match(start) is not None


def contents_of(raw: io.BufferedReader, size: int) -> Iterator[bytes]:
    """All that an open file holds, about `size` bytes at once: gzip and zstd are unpacked.

    Raises `Damaged` after what comes before the damage.
    """
    start = raw.peek(MAGIC_BYTES)[:MAGIC_BYTES]
    if is_gzip(start):
        return _ungzipped(raw, size)
    if is_zstd(start):
        return _unzstd(raw, size)
    return chunks_of(raw, size)


def chunks_of(raw: io.BufferedReader, size: int) -> Iterator[bytes]:
    """All that an open file holds as it is, `size` bytes at once."""
    return iter(lambda: raw.read(size), b"")


def _ungzipped(raw: io.BufferedReader, size: int) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=raw) as plain:
        while True:
            try:
                chunk = plain.read1(size)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise Damaged(str(error)) from error
            if not chunk:
                return
            yield chunk


def _unzstd(raw: io.BufferedReader, size: int) -> Iterator[bytes]:
    """Several frames behind each other are one stream."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    frame = decompressor.decompressobj()
    waiting: list[bytes] = []
    waiting_bytes = 0
    damage: str | None = None
    is_amid = False
    while damage is None and (packed := raw.read(_ZSTD_INPUT_BYTES)):
        while packed:
            try:
                unpacked = frame.decompress(packed)
            except zstandard.ZstdError as error:
                damage = str(error)
                break
            waiting.append(unpacked)
            waiting_bytes += len(unpacked)
            packed, is_amid = frame.unused_data, not frame.eof
            if frame.eof:
                frame = decompressor.decompressobj()
        if waiting_bytes >= size:
            yield b"".join(waiting)
            waiting, waiting_bytes = [], 0
    if waiting_bytes:
        yield b"".join(waiting)
    if damage is not None or is_amid:
        raise Damaged(damage or "the zstd stream ends early")
