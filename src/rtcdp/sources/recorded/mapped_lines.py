"""From a recorded file to events in its order, each with an id that a repetition has again."""

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import polars as pl

from rtcdp.errors import UsageError
from rtcdp.events.codec import whole_unmapped_line
from rtcdp.sources.recorded.line_ids import LineIds
from rtcdp.sources.recorded.line_mapper import (
    LineMapper,
    MappedEvent,
    event_as_it_is,
    line_mapper,
)
from rtcdp.sources.recorded.mapping import Mapping
from rtcdp.sources.recorded.recorded_file import (
    BLOCK_BYTES,
    MAX_LINE_BYTES,
    Block,
    RecordedFile,
    RecordedLine,
)
from rtcdp.sources.recorded.unmapped import Unmapped
from rtcdp.sources.recorded.wire_time import wire_timestamp
from rtcdp.sources.records import csv_row

MAX_ROW_LINES = 100
"""A CSV row with line breaks in its quoted texts may be as many lines long."""

_BLANK = b" \t\r\n"
_encode = msgspec.json.Encoder().encode


class MappedLine(NamedTuple):
    """What one line says. `event` is None for a line that is no event, neither by the mapping nor
    as it is, and `reason` says why; `text` are its bytes, and `number` counts it in its file.
    `event_id` is the line's own id. Of a line that is not `whole` bytes are missing."""

    text: bytes
    number: int
    event_id: str
    event: MappedEvent | None
    whole: bool
    reason: Unmapped | None = None
    is_mapped: bool = True

    @property
    def is_blank(self) -> bool:
        return not self.text.strip(_BLANK)

    def wire_line(self, shift_ms: int = 0) -> bytes:
        """The event as JSON with its time moved by `shift_ms`, or as it stands in its line.

        If there is none, `text`; or, where a mapping found none in it, what says why together with
        `text` (`rtcdp.events.codec`), as long as that holds all of it.
        """
        if self.event is None:
            return self._explained()
        instant_ms, members, is_wire_text = self.event
        if is_wire_text and not shift_ms:
            text = self.text.strip(_BLANK)
            if "eventId" in members:
                return text
            if b'"eventId"' not in text and b"\\" not in text:
                return with_id(text, self.event_id)
        wire: dict[str, Any] = {"eventId": self.event_id, **members}
        wire["timestamp"] = wire_timestamp(instant_ms + shift_ms)
        try:
            return _encode(wire)
        except UnicodeEncodeError:
            return self.text

    def _explained(self) -> bytes:
        if self.reason is None or not (self.is_mapped and self.whole):
            return self.text
        # The strict rule has said no to it: `text` alone is rejected as well.
        return whole_unmapped_line(f"line {self.number}: {self.reason}", self.text) or self.text


def mapped_lines(file: RecordedFile, mapping: Mapping) -> Iterator[MappedLine]:
    """Each line of `file` once, in order, without the header line. A CSV row whose quoted texts
    have line breaks comes as one line.

    Raises `UsageError` when the header lacks a column that the mapping needs.
    """
    reader = LineReader(file, mapping)
    while (line := reader.next()) is not None:
        # So that the file is not kept.
        reader.taken()
        yield line


def with_id(text: bytes, event_id: str) -> bytes:
    """An event as JSON, which has members and none of that name, with this id."""
    return b'{"eventId":' + _encode(event_id) + b"," + text[1:]


class LineReader:
    """The lines of a file, which come singly or by blocks, in order and without the header line.

    A block has about `size` bytes. `columns` and `header` are those of a CSV file. `ids` are to be
    told of whatever comes by blocks. Raises `UsageError` when the header lacks a column that the
    mapping needs.
    """

    def __init__(self, file: RecordedFile, mapping: Mapping, size: int = BLOCK_BYTES) -> None:
        self.ids = LineIds(file.plain_name)
        # An empty file has no header that names some, and no lines either.
        self.columns = mapping.columns or tuple(sorted(mapping.names()))
        self._lines = _Ahead(file.blocks(size), size)
        self._is_csv = mapping.format == "csv"
        self._is_mapped = mapping.format != "events"
        self.header = b""
        if self._is_csv and mapping.header and (header := self._lines.next()) is not None:
            self.columns = _columns(header, file, mapping)
            self.ids.next(header.number, header.text)
            self.header = header.text
            self.taken()
        self._mapper = line_mapper(mapping, self.columns)

    def next(self) -> MappedLine | None:
        """The next line, or row of several lines; None at the end."""
        return self._next_of(self._lines)

    def _next_of(self, lines: "_Ahead") -> MappedLine | None:
        line = lines.next()
        if line is None:
            return None
        text, found = line.text, self._mapped(line)
        if isinstance(found, Unmapped) and self._is_csv and _has_open_quote(text):
            found, text = _long_row(line, lines, self._mapper, found)
        # Whichever line breaks a row has inside, its id is the same.
        event_id = self.ids.next(line.number, text.replace(b"\r\n", b"\n"))
        return self._told(line._replace(text=text), event_id, found)

    @property
    def is_amid(self) -> bool:
        """Whether there are lines that can only come singly."""
        return self._lines.is_amid

    def next_block(self) -> Block | None:
        """The lines that would come next and lie in one text, about as many as a block has; None
        where there are none such, for they were put back or begun, or at the end."""
        return self._lines.next_block()

    def next_text(self, at_least: int) -> Block | None:
        """The next block, joined with those behind it as far as `at_least` bytes need; None where
        there is none."""
        return self._lines.next_text(at_least)

    def first_line(self) -> bytes:
        """The line that comes next, which is looked at only."""
        return self._lines.first_line()

    def leave(self, block: Block) -> None:
        """Let a block that was looked at come again."""
        self._lines.leave(block)

    def pass_over(self, block: Block) -> None:
        """Go on behind a block, the lines of which nobody wants."""
        text = block.text
        is_quoted = self._is_csv and b'"' in text
        if block.cut or (is_quoted and any(map(_has_open_quote, text.split(b"\n")))):
            # A row of several lines has one id.
            lines_inside = _Ahead(iter((block,)), len(text))
            while self._next_of(lines_inside) is not None:
                lines_inside.taken()
            return
        try:
            lines = text.decode().replace("\r\n", "\n")[:-1].split("\n")
        except UnicodeDecodeError:
            for line in block.lines():
                self.ids.next(line.number, line.text)
        else:
            self.ids.pass_over(block.number, pl.Series(lines, dtype=pl.String))

    def put_back(self, block: Block) -> None:
        """Let the lines of a block come singly after all."""
        self._lines.put_back(list(block.lines()))

    def taken(self) -> bytes:
        """The text of the lines that came singly since this was asked last, as it stands in the
        file but for its last line break, which is there in any case."""
        return self._lines.taken()

    def single(self, line: RecordedLine, event_id: str) -> MappedLine:
        """What one line of a block says."""
        return self._told(line, event_id, self._mapped(line))

    def _mapped(self, line: RecordedLine) -> MappedEvent | Unmapped:
        if not line.whole:
            return Unmapped("", "…", "all of it; its end is missing")
        return self._mapper(line.text)

    def _told(self, line: RecordedLine, event_id: str, found: MappedEvent | Unmapped) -> MappedLine:
        text = line.text
        # The collector would take it for an event, so it gets an id like all others.
        event = event_as_it_is(text) if isinstance(found, Unmapped) else found
        if isinstance(event, Unmapped):
            reason = found if isinstance(found, Unmapped) else event
            is_mapped = self._is_mapped
            return MappedLine(text, line.number, event_id, None, line.whole, reason, is_mapped)
        return MappedLine(text, line.number, event_id, event, line.whole)


class _Ahead:
    """Lines that can be looked at and put back, in blocks as long as none of those was begun."""

    def __init__(self, blocks: Iterator[Block], size: int) -> None:
        self._blocks = blocks
        self._size = size
        self._waiting: deque[RecordedLine] = deque()
        self._next: Block | None = None
        self._taken: list[RecordedLine] = []

    def next(self) -> RecordedLine | None:
        line = self._waiting.popleft() if self._waiting else self._first()
        if line is not None:
            self._taken.append(line)
        return line

    def taken(self) -> bytes:
        lines, self._taken = self._taken, []
        return b"".join(line.text + line.line_break for line in lines)

    def _first(self) -> RecordedLine | None:
        block = self._block()
        if block is None:
            return None
        if block.number == 1:
            # What follows a header is still a block.
            block, self._next = block.parts(block.text.index(b"\n") + 1)
        self._waiting.extend(block.lines())
        return self._waiting.popleft()

    @property
    def is_amid(self) -> bool:
        return bool(self._waiting)

    def next_block(self) -> Block | None:
        block = self.next_text(0)
        if block is not None and len(block.text) > 2 * self._size:
            # It was joined, or unpacked to more than was wanted.
            block, self._next = block.parts(block.text.index(b"\n", self._size) + 1)
        return block

    def next_text(self, at_least: int) -> Block | None:
        if self._waiting:
            return None
        block = self._block()
        while block is not None and len(block.text) < at_least:
            following = self._block()
            if following is None:
                break
            block = block.joined(following)
        return block

    def first_line(self) -> bytes:
        if self._waiting:
            return self._waiting[0].text
        block = self._next = self._block()
        return b"" if block is None else block.text.partition(b"\n")[0].removesuffix(b"\r")

    def leave(self, block: Block) -> None:
        self._next = block

    def take_back(self, lines: list[RecordedLine]) -> None:
        """Let the last lines that came singly come again."""
        if lines:
            del self._taken[-len(lines) :]
        self.put_back(lines)

    def put_back(self, lines: list[RecordedLine]) -> None:
        self._waiting.extendleft(reversed(lines))

    def _block(self) -> Block | None:
        block, self._next = self._next, None
        return next(self._blocks, None) if block is None else block


def _has_open_quote(text: bytes) -> bool:
    return text.count(b'"') % 2 == 1


def _columns(header: RecordedLine, file: RecordedFile, mapping: Mapping) -> tuple[str, ...]:
    columns = tuple(csv_row(header.text, mapping.delimiter) or ())
    missing = sorted(mapping.names() - set(columns))
    if missing:
        raise UsageError(
            f"the first line of {file.path} names no column {', '.join(missing)}",
            "choose the mapping for this kind of file, or set header = false and name the columns",
        )
    return columns


def _long_row(
    first: RecordedLine, lines: _Ahead, mapper: LineMapper, otherwise: Unmapped
) -> tuple[MappedEvent | Unmapped, bytes]:
    """The row that begins in a line with an open quote, and its text; or `otherwise` and that line
    alone, so that a stray quote costs one line and not those after it."""
    taken: list[RecordedLine] = []
    text, line_break = first.text, first.line_break
    while len(taken) < MAX_ROW_LINES and len(text) <= MAX_LINE_BYTES:
        line = lines.next()
        if line is None:
            break
        taken.append(line)
        text, line_break = text + line_break + line.text, line.line_break
        if _has_open_quote(line.text):
            event = mapper(text)
            if isinstance(event, MappedEvent):
                return event, text
            break
    lines.take_back(taken)
    return otherwise, first.text
