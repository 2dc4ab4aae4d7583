"""Reads a recorded file, plain, gzip or zstd, by blocks of whole lines, in bounded memory."""

import io
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtcdp.errors import PartMissing
from rtcdp.events.event import MAX_EVENT_BYTES
from rtcdp.sources.recorded.compressed import SUFFIXES, Damaged, chunks_of, contents_of

MAX_LINE_BYTES = MAX_EVENT_BYTES + 1
"""A longer line is no event; as many of its bytes are kept as show that."""

BLOCK_BYTES = 2 * 2**20
_CHUNK_BYTES = 256 * 1024
_SHORT_LINE_BYTES = 52
"""So that 256 KiB are not more than 5,000 lines."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_FEED = ord("\n")


class RecordedLine(NamedTuple):
    """A line without its line break, which is LF or CR LF. `number` counts from 1. `whole` is False
    if bytes of it are missing, because it is too long or because the file is damaged there."""

    number: int
    text: bytes
    whole: bool
    line_break: bytes = b"\n"


class Block(NamedTuple):
    """Whole lines in one text, each ended by LF, the first of them with this `number`. `cut` are
    the places, from 0, of those of which bytes are missing."""

    number: int
    text: bytes
    line_count: int
    cut: frozenset[int] = frozenset()

    def lines(self) -> Iterator[RecordedLine]:
        """Its lines one by one."""
        for place, text in enumerate(self.text[:-1].split(b"\n")):
            is_whole = place not in self.cut
            if is_whole and text.endswith(b"\r"):
                yield RecordedLine(self.number + place, text[:-1], True, b"\r\n")
            else:
                yield RecordedLine(self.number + place, text, is_whole)

    def parts(self, first_bytes: int) -> tuple["Block", "Block | None"]:
        """Its first lines, which have so many bytes, and the others."""
        if first_bytes >= len(self.text):
            return self, None
        text = self.text[:first_bytes]
        count = text.count(b"\n")
        first = Block(self.number, text, count, frozenset(at for at in self.cut if at < count))
        cut = frozenset(at - count for at in self.cut if at >= count)
        rest = Block(self.number + count, self.text[first_bytes:], self.line_count - count, cut)
        return first, rest

    def joined(self, following: "Block") -> "Block":
        """It and the block that follows it, as one."""
        cut = self.cut | {self.line_count + at for at in following.cut}
        count = self.line_count + following.line_count
        return Block(self.number, self.text + following.text, count, frozenset(cut))


class RecordedFile:
    """An open file of lines. Whether it is compressed is told by its first bytes, not by its name.

    What is in it comes from `raw` where that is given: `path` is then only what it is called.
    `on_contents` hears how many bytes each part of it has, unpacked, as it is read, and may raise.
    What `is_unpacked` already is taken as it is, whatever its first bytes say.
    `damage` says, after the last line, what is wrong with the compressed stream, if anything is.
    Raises `PartMissing` when it can't be opened, and whatever `raw` raises.
    """

    def __init__(
        self,
        path: Path,
        raw: "io.BufferedReader[Any] | None" = None,
        on_contents: Callable[[int], None] = lambda _: None,
        *,
        is_unpacked: bool = False,
    ) -> None:
        self.path = path
        self.damage: str | None = None
        self._is_cut = False
        try:
            self._raw = path.open("rb") if raw is None else raw
            self.total_bytes = path.stat().st_size if raw is None else 0
            contents = chunks_of if is_unpacked else contents_of
            chunks = _heard_of(contents(self._raw, _CHUNK_BYTES), on_contents)
            self._contents = _even(chunks, _CHUNK_BYTES)
        except OSError as error:
            raise PartMissing(
                f"{path} can't be read: {error.strerror}", "Name a file that exists."
            ) from error

    @property
    def plain_name(self) -> str:
        """Its name without what says that it is compressed."""
        name = self.path.name
        return next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)

    def __enter__(self) -> "RecordedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def beginning(self) -> bytes:
        """Whole lines from its beginning, about `BLOCK_BYTES` of them, or a part of a longer one;
        they are still to come."""
        taken, size = list[bytes](), 0
        rest, has_ended = self._contents, True
        try:
            for chunk in rest:
                taken.append(chunk)
                size += len(chunk)
                if size >= BLOCK_BYTES:
                    has_ended = False
                    break
        except Damaged as damage:
            rest = _damaged(damage)
        self._contents = chain(taken, rest)
        text = b"".join(taken)
        return text if has_ended else text[: text.rfind(b"\n") + 1] or text

    def bytes_read(self) -> int:
        """How much of `total_bytes` (as they lie on disk) has been read."""
        return self._raw.tell()

    def lines(self) -> Iterator[RecordedLine]:
        """Every line once, in order. A byte order mark before the first is left out."""
        for block in self.blocks(_CHUNK_BYTES):
            yield from block.lines()

    def blocks(self, size: int = BLOCK_BYTES) -> Iterator[Block]:
        """All lines once, in order, about `size` bytes at once, and not too many of them.

        A byte order mark before the first is left out; a last line that no line break ends gets
        that of the line before it, in a block of its own.
        """
        number, waiting, waiting_bytes = 1, list[bytes](), 0
        for text, stands_alone in self._texts():
            if waiting and (stands_alone or waiting_bytes >= size):
                block = _block(number, b"".join(waiting))
                number, waiting, waiting_bytes = number + block.line_count, [], 0
                yield from _shorter(block, size)
            if stands_alone:
                yield Block(number, text, 1, frozenset((0,) if self._is_cut else ()))
                number += 1
            elif text:
                waiting.append(text)
                waiting_bytes += len(text)
        if waiting:
            yield from _shorter(_block(number, b"".join(waiting)), size)

    def _texts(self) -> Iterator[tuple[bytes, bool]]:
        """Texts of whole lines, and whether that is one line which stands alone: one of which
        bytes are missing (`_is_cut`), or the last one, where no line break ends it."""
        rest, line_break = b"", b"\n"
        is_long = False
        for chunk in self._chunks():
            after = chunk.rfind(b"\n") + 1
            if not after:
                rest, is_long = _shortened(rest + chunk, is_long=is_long)
                continue
            first = 0
            if rest:
                first = chunk.find(b"\n") + 1
                text, self._is_cut = _shortened(rest + chunk[: first - 1], is_long=is_long)
                yield text + b"\n", self._is_cut
            is_crlf = chunk.endswith(b"\r\n", 0, after) or (after == 1 and rest.endswith(b"\r"))
            line_break = b"\r\n" if is_crlf else b"\n"
            yield chunk[first:after], False
            rest, is_long = _shortened(chunk[after:], is_long=False)
        if rest:
            self._is_cut = is_long or self.damage is not None
            # As the file would have it if it grew, so that the line is known then.
            yield rest + (b"\n" if self._is_cut or rest.endswith(b"\r") else line_break), True

    def _chunks(self) -> Iterator[bytes]:
        is_start = True
        try:
            for chunk in self._contents:
                yield chunk.removeprefix(_BYTE_ORDER_MARK) if is_start else chunk
                is_start = False
        except Damaged as damage:
            self.damage = f"{self.path} is damaged: {damage}"


def _heard_of(chunks: Iterator[bytes], on_contents: Callable[[int], None]) -> Iterator[bytes]:
    for chunk in chunks:
        on_contents(len(chunk))
        yield chunk


def _even(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same in parts of `size` bytes, so that a text is cut alike however it was packed."""
    waiting = bytearray()
    try:
        for chunk in chunks:
            if not waiting and len(chunk) == size:
                yield chunk
                continue
            waiting += chunk
            while len(waiting) >= size:
                yield bytes(waiting[:size])
                del waiting[:size]
    except Damaged:
        yield bytes(waiting)
        raise
    if waiting:
        yield bytes(waiting)


def _damaged(damage: Damaged) -> Iterator[bytes]:
    yield from ()
    raise damage


def _shortened(text: bytes, *, is_long: bool) -> tuple[bytes, bool]:
    """As much of a line as is kept of it, and whether that is not all."""
    return text[:MAX_LINE_BYTES], is_long or len(text) > MAX_LINE_BYTES


def _shorter(block: Block, size: int) -> Iterator[Block]:
    """The block in parts of not more lines than `size` bytes have when they are short."""
    most = max(1, size // _SHORT_LINE_BYTES)
    while block.line_count > most:
        ends = np.flatnonzero(np.frombuffer(block.text, np.uint8) == _LINE_FEED)
        part, rest = block.parts(int(ends[most - 1]) + 1)
        yield part
        if rest is None:
            return
        block = rest
    yield block


def _block(number: int, text: bytes) -> Block:
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _LINE_FEED)
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.max() <= MAX_LINE_BYTES:
        return Block(number, text, len(ends))
    lines = b"".join(line[:MAX_LINE_BYTES] + b"\n" for line in text[:-1].split(b"\n"))
    cut = frozenset(np.flatnonzero(lengths > MAX_LINE_BYTES).tolist())
    return Block(number, lines, len(ends), cut)
