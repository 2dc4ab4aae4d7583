"""From a recorded file to events in its order, each with an id that a repetition has again."""

from collections import deque
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from rtcdp.errors import UsageError
from rtcdp.events.codec import whole_unmapped_line
from rtcdp.sources.recorded.line_mapper import (
    LineMapper,
    MappedEvent,
    event_as_it_is,
    line_mapper,
)
from rtcdp.sources.recorded.mapping import Mapping
from rtcdp.sources.recorded.recorded_file import MAX_LINE_BYTES, RecordedFile, RecordedLine
from rtcdp.sources.recorded.unmapped import Unmapped
from rtcdp.sources.recorded.wire_time import wire_timestamp
from rtcdp.sources.records import csv_row

MAX_ROW_LINES = 100
"""A CSV row with line breaks in its quoted texts may be as many lines long."""

_MAX_NAME_LENGTH = 60
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
        """The event as JSON with its time moved by `shift_ms`. If there is none, `text`; or, where
        a mapping found none in it, what says why together with `text` (`rtcdp.events.codec`), as
        long as that holds all of it."""
        if self.event is None:
            return self._explained()
        instant_ms, members = self.event
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
    ids = _LineIds(file.path.name.removesuffix(".gz"))
    lines = _Ahead(file.lines())
    columns: tuple[str, ...] = ()
    if mapping.format == "csv" and mapping.header:
        header = lines.next()
        if header is None:
            return
        columns = _columns(header, file, mapping)
        ids.next(header.number, header.text)
    mapper = line_mapper(mapping, columns)
    is_mapped = mapping.format != "events"
    while (line := lines.next()) is not None:
        text = line.text
        found = mapper(text) if line.whole else Unmapped("", "…", "all of it; its end is missing")
        if isinstance(found, Unmapped) and mapping.format == "csv" and text.count(b'"') % 2:
            found, text = _long_row(line, lines, mapper, found)
        # The collector would take it for an event, so it gets an id like all others.
        event = event_as_it_is(text) if isinstance(found, Unmapped) else found
        # Whichever line breaks a row has inside, its id is the same.
        event_id = ids.next(line.number, text.replace(b"\r\n", b"\n"))
        if isinstance(event, Unmapped):
            reason = found if isinstance(found, Unmapped) else event
            yield MappedLine(text, line.number, event_id, None, line.whole, reason, is_mapped)
        else:
            yield MappedLine(text, line.number, event_id, event, line.whole)


class _Ahead:
    """Lines that can be looked at and put back."""

    def __init__(self, lines: Iterator[RecordedLine]) -> None:
        self._lines = lines
        self._waiting: deque[RecordedLine] = deque()

    def next(self) -> RecordedLine | None:
        return self._waiting.popleft() if self._waiting else next(self._lines, None)

    def put_back(self, lines: list[RecordedLine]) -> None:
        self._waiting.extendleft(reversed(lines))


class _LineIds:
    """An id for each line, from the file's name, the line's number and all text up to its end.

    So a file that is replayed again, also after it has grown, gives the same ids; equal lines of
    one file have different ones, and so have lines of another file of that name.
    """

    def __init__(self, name: str) -> None:
        self._name = name.encode(errors="replace").decode()[:_MAX_NAME_LENGTH]
        self._text_so_far = blake2b(name.encode(errors="replace"), digest_size=8).digest()

    def next(self, number: int, text: bytes) -> str:
        self._text_so_far = blake2b(text, digest_size=8, key=self._text_so_far).digest()
        return f"{self._name}:{number}:{self._text_so_far.hex()}"


def _columns(header: RecordedLine, file: RecordedFile, mapping: Mapping) -> tuple[str, ...]:
    columns = tuple(csv_row(header.text, mapping.delimiter) or ())
    missing = sorted(mapping.names() - set(columns))
    if missing:
        raise UsageError(
            f"the first line of {file.path} names no column {', '.join(missing)}",
            "Choose the mapping for this kind of file, or set header = false and name the columns.",
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
        if line.text.count(b'"') % 2:
            event = mapper(text)
            if isinstance(event, MappedEvent):
                return event, text
            break
    lines.put_back(taken)
    return otherwise, first.text
