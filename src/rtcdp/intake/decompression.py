"""Takes the content encoding off a body, never making more of it than a limit allows."""

import zlib
from collections.abc import Callable

import zstandard

from rtcdp.intake.limits import CollectorLimits
from rtcdp.intake.problem import RequestRefused

ENCODINGS = ("identity", "gzip", "x-gzip", "zstd")

_STARTS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_GZIP_WBITS = 31
_GZIP_FEED_BYTES = 65_536
# What every zstd decoder has to support, and all the memory that one frame can ask for.
_ZSTD_WINDOW_BYTES = 8 * 2**20
_ZSTD_END = b"end of the last frame"
_ZSTD_END_FRAME = zstandard.ZstdCompressor(write_checksum=True).compress(_ZSTD_END)


def decompress(body: bytes, encoding: str, limits: CollectorLimits) -> bytes:
    """The bytes that `encoding` (lower case, one of `ENCODINGS`) was put around.

    Concatenated gzip members and zstd frames are one body. Sizes that the body states about
    itself are not believed. Raises `RequestRefused`: unknown_encoding (415), body_too_large (413)
    as soon as there are more than `max_decompressed_bytes`, corrupt_encoding (400) for a stream
    that is damaged, ends early or has something else behind it.
    """
    if encoding in ("", "identity"):
        return body
    if not body:
        raise RequestRefused("empty_body", "send one event or more")
    if encoding in ("gzip", "x-gzip"):
        return _gunzip(body, limits)
    if encoding == "zstd":
        return _unzstd(body, limits)
    raise RequestRefused(
        "unknown_encoding",
        f"send one Content-Encoding of {', '.join(ENCODINGS)}, or none",
        headers=((b"accept-encoding", b"gzip, zstd"),),
    )


def encoding_by_start(body: bytes) -> str | None:
    """What the first bytes of a body say that it is compressed with, if they do."""
    return next((name for start, name in _STARTS.items() if body.startswith(start)), None)


def too_large(limits: CollectorLimits) -> RequestRefused:
    """The refusal of a body that decompresses to more than is allowed."""
    return RequestRefused(
        "body_too_large",
        f"send at most {limits.max_decompressed_bytes} bytes after decompression a request; "
        "split the events over several requests",
    )


def _gunzip(body: bytes, limits: CollectorLimits) -> bytes:
    view = memoryview(body)
    pieces: list[bytes] = []
    room = limits.max_decompressed_bytes
    position = members = 0
    while position < len(body):
        members += 1
        if members > limits.max_members_per_body:
            raise RequestRefused(
                "body_too_large",
                f"send at most {limits.max_members_per_body} gzip members in a body",
            )
        stream = zlib.decompressobj(_GZIP_WBITS)
        while not stream.eof:
            feed = view[position : position + _GZIP_FEED_BYTES]
            if not feed:
                raise _corrupt("the gzip stream ends early")
            position += len(feed)
            try:
                piece = stream.decompress(feed, room + 1)
            except zlib.error as error:
                raise _corrupt(str(error)) from error
            if len(piece) > room:
                raise too_large(limits)
            room -= len(piece)
            pieces.append(piece)
        position -= len(stream.unused_data)
    return b"".join(pieces)


def _unzstd(body: bytes, limits: CollectorLimits) -> bytes:
    # The reader doesn't tell a complete body from one that ends within a frame. A frame of our
    # own behind it does: it comes out whole only if the body ended where a frame ends.
    source = body + _ZSTD_END_FRAME
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    allowed = limits.max_decompressed_bytes
    try:
        with decompressor.stream_reader(source, read_across_frames=True) as reader:
            plain = _read_up_to(reader.read, allowed + len(_ZSTD_END) + 1)
    except zstandard.ZstdError as error:
        raise _corrupt(str(error)) from error
    if len(plain) > allowed + len(_ZSTD_END):
        raise too_large(limits)
    if not plain.endswith(_ZSTD_END):
        raise _corrupt("the zstd stream ends early")
    return plain[: -len(_ZSTD_END)]


def _read_up_to(read: Callable[[int], bytes], size: int) -> bytes:
    pieces: list[bytes] = []
    while size > 0:
        piece = read(min(size, 2**20))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _corrupt(what: str) -> RequestRefused:
    return RequestRefused(
        "corrupt_encoding", f"send the body whole, as its Content-Encoding says ({what})"
    )
