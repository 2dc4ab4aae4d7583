"""Reads a recorded file line by line, plain or gzip, in bounded memory."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rtcdp.errors import PartMissing
from rtcdp.events.event import MAX_EVENT_BYTES

MAX_LINE_BYTES = MAX_EVENT_BYTES + 1
"""A longer line is no event; as many of its bytes are kept as show that."""

_CHUNK_BYTES = 256 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RecordedLine(NamedTuple):
    """A line without its line break, which is LF or CR LF. `number` counts from 1. `whole` is False
    if bytes of it are missing, because it is too long or because the file is damaged there."""

    number: int
    text: bytes
    whole: bool
    line_break: bytes = b"\n"


class RecordedFile:
    """An open file of lines. Whether it is gzip is told by its first bytes, not by its name.

    `damage` says, after the last line, what is wrong with the compressed stream, if anything is.
    Raises `PartMissing` when it can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: str | None = None
        try:
            self._raw = path.open("rb")
            self.total_bytes = path.stat().st_size
            magic = self._raw.peek(2)[:2]
        except OSError as error:
            raise PartMissing(
                f"{path} can't be read: {error.strerror}", "Name a file that exists."
            ) from error
        self._plain: io.BufferedReader | gzip.GzipFile = self._raw
        if magic == _GZIP_MAGIC:
            self._plain = gzip.GzipFile(fileobj=self._raw)

    def __enter__(self) -> "RecordedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._plain.close()
        self._raw.close()

    def bytes_read(self) -> int:
        """How much of `total_bytes` (as they lie on disk) has been read."""
        return self._raw.tell()

    def lines(self) -> Iterator[RecordedLine]:
        """Every line once, in order. A byte order mark before the first is left out."""
        number = 0
        rest = b""
        whole = True
        for chunk in self._chunks():
            first, *others = chunk.split(b"\n")
            rest += first
            if len(rest) > MAX_LINE_BYTES:
                rest = rest[:MAX_LINE_BYTES]
                whole = False
            if not others:
                continue
            for text in (rest, *others[:-1]):
                number += 1
                yield _line(number, text, whole)
                whole = True
            rest = others[-1]
        if rest:
            yield _line(number + 1, rest, whole and self.damage is None)

    def _chunks(self) -> Iterator[bytes]:
        start = True
        while True:
            try:
                chunk = self._plain.read1(_CHUNK_BYTES)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                self.damage = f"{self.path} is damaged: {error}"
                return
            if not chunk:
                return
            yield chunk.removeprefix(_BYTE_ORDER_MARK) if start else chunk
            start = False


def _line(number: int, text: bytes, whole: bool) -> RecordedLine:
    if len(text) > MAX_LINE_BYTES:
        return RecordedLine(number, text[:MAX_LINE_BYTES], False)
    if text.endswith(b"\r"):
        return RecordedLine(number, text[:-1], whole, b"\r\n")
    return RecordedLine(number, text, whole)
