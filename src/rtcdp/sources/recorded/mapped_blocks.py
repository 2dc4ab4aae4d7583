"""From a recorded file to runs of records, many lines at once.

The lines that columns can't tell of for sure go one by one, as `mapped_lines` has it, in the places
where they stand in the file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from rtcdp.events.codec import is_clean, is_utf8, pieces
from rtcdp.events.event import MAX_EVENT_BYTES, KnownFieldsOnly
from rtcdp.events.judged import Run, run_of
from rtcdp.log.piece import MAX_PIECE_BYTES, Piece
from rtcdp.sources.recorded.event_columns import EventColumns
from rtcdp.sources.recorded.known_pieces import ClaimingRegister, PieceKeys, Register
from rtcdp.sources.recorded.line_columns import column_reader, lines_of
from rtcdp.sources.recorded.line_ids import Hashes
from rtcdp.sources.recorded.mapped_lines import LineReader, MappedLine, with_id
from rtcdp.sources.recorded.mapping import Mapping
from rtcdp.sources.recorded.recorded_file import (
    BLOCK_BYTES,
    MAX_LINE_BYTES,
    Block,
    RecordedFile,
    RecordedLine,
)

_BLANK = " \t\r"
_PARTS = (2_000, 50)
"""So many lines are judged at once; where they are no events, so many of them; then each."""

_SINGLE_LINES = 5_000


@dataclass
class MappedBlock:
    """What some lines of a file say: the `runs` of records to be sent, in their order, how many
    lines of them are `events` and how many are `blank`, and the `others`, which are no events.
    `text` is what stands in the file, and `piece` what it is registered as."""

    runs: list[Run] = field(default_factory=list)
    events: int = 0
    blank: int = 0
    others: list[MappedLine] = field(default_factory=list)
    text: bytes = b""
    piece: Piece | None = None

    def add_verified(self, lines: bytes, line_count: int) -> None:
        """Add lines, each ended by LF, that are events by the strict rule."""
        self.runs.append(Run(lines, line_count, is_verified=True))
        self.events += line_count

    def add_singles(self, singles: Sequence[MappedLine]) -> None:
        """Add lines that were looked at one by one."""
        sent = [line for line in singles if not line.is_blank]
        others = [line for line in sent if line.event is None]
        self.blank += len(singles) - len(sent)
        self.events += len(sent) - len(others)
        self.others += others
        if sent:
            self.runs.append(run_of([line.wire_line() for line in sent]))


@dataclass(frozen=True)
class ImportedBefore:
    """Lines that are passed over, for they were imported before."""

    line_count: int


def mapped_blocks(
    file: RecordedFile, mapping: Mapping, size: int = BLOCK_BYTES
) -> Iterator[MappedBlock]:
    """All lines of `file` in order, without the header line, about `size` bytes of them at a time.

    Raises `UsageError` when the header lacks a column that the mapping needs.
    """
    reader = LineReader(file, mapping, size)
    blocks = _Blocks(reader, mapping)
    while (mapped := blocks.next()) is not None:
        yield mapped


def new_blocks(
    file: RecordedFile, mapping: Mapping, source: str, register: Register, size: int = BLOCK_BYTES
) -> Iterator[MappedBlock | ImportedBefore]:
    """The same, of which those that were imported before under this `source` are passed over, and
    each of the others has a `piece` to be registered with it.

    Raises `UsageError` as `mapped_blocks` does, and what the register raises.
    """
    reader = LineReader(file, mapping, size)
    blocks = _Blocks(reader, mapping)
    keys = PieceKeys(file.path.name, mapping, source, reader.header)
    if isinstance(register, ClaimingRegister):
        register.claim(keys.beginning(reader.first_line()))
    while True:
        passed_over = 0 if reader.is_amid else _pass_over_known(reader, keys, register)
        if passed_over:
            yield ImportedBefore(passed_over)
            continue
        mapped = blocks.next()
        if mapped is None:
            return
        mapped.piece = keys.piece(mapped.text, is_torn=any(map(_is_torn, mapped.others)))
        keys.go_behind(mapped.piece)
        yield mapped


def _pass_over_known(reader: LineReader, keys: PieceKeys, register: Register) -> int:
    """Pass over the next piece if it is known; returns how many lines it had."""
    known = [
        piece
        for piece in register.pieces_after(keys.key)
        if 0 < piece.byte_count <= MAX_PIECE_BYTES
    ]
    block = reader.next_text(max(piece.byte_count for piece in known)) if known else None
    if block is None:
        return 0
    piece = keys.longest(known, block.text)
    if piece is None:
        reader.leave(block)
        return 0
    first, rest = block.parts(piece.byte_count)
    if rest is not None:
        reader.leave(rest)
    reader.pass_over(first)
    keys.go_behind(piece)
    return first.line_count


class _Blocks:
    """The lines of a reader, many at once where that goes, else some thousand single ones."""

    def __init__(self, reader: LineReader, mapping: Mapping) -> None:
        self._reader = reader
        is_mapped = mapping.format != "events"
        self._way = _ByColumns(reader, mapping) if is_mapped else _AsTheyAre(reader)

    def next(self) -> MappedBlock | None:
        """What comes next; None at the end."""
        reader = self._reader
        block = reader.next_block()
        if block is not None:
            mapped = self._way.mapped(block)
            if mapped is not None:
                mapped.text = block.text
                return mapped
            reader.put_back(block)
        singles: list[MappedLine] = []
        taken_bytes = 0
        while (
            len(singles) < _SINGLE_LINES
            and taken_bytes < BLOCK_BYTES
            and reader.is_amid
            and (line := reader.next())
        ):
            singles.append(line)
            taken_bytes += len(line.text)
        if not singles:
            return None
        mapped = MappedBlock()
        mapped.add_singles(singles)
        mapped.text = reader.taken()
        return mapped


class _ByColumns:
    """Lines that are read and written column by column."""

    def __init__(self, reader: LineReader, mapping: Mapping) -> None:
        self._reader = reader
        self._read = column_reader(mapping, reader.columns)
        self._events = EventColumns(mapping)
        self._is_csv = mapping.format == "csv"

    def mapped(self, block: Block) -> MappedBlock | None:
        """What the lines say; None where they have to be taken singly."""
        text = _text_of(block)
        lines = None if text is None else lines_of(text)
        found = None if text is None or lines is None else self._read(text, lines)
        if found is None or lines is None:
            return None
        unread = lines.filter(~found.is_read)
        if (
            self._is_csv
            and len(unread)
            and (unread.str.count_matches('"', literal=True) % 2 == 1).any()
        ):
            return None
        ids = self._reader.ids.called(block.number, self._reader.ids.pass_over(block.number, lines))
        is_read = found.is_read
        written = self._events.write(found.columns, ids.filter(is_read), is_plain=found.is_plain)
        if len(unread):
            place = pl.when(is_read).then(is_read.cum_sum() - 1)
            written = written.gather(pl.select(place).to_series())
        is_blank = lines.str.strip_chars(_BLANK) == ""
        if is_blank.any():
            written = written.zip_with(~is_blank, pl.Series([None], dtype=pl.String))
        return _joined(self._reader, block, written, ids)


def _joined(reader: LineReader, block: Block, written: pl.Series, ids: pl.Series) -> MappedBlock:
    """The lines as they were written, and those in their midst that were not."""
    mapped = MappedBlock()
    if not written.null_count():
        mapped.add_verified(_text(written), len(written))
        return mapped
    unsure = written.is_null().arg_true().to_list()
    raw = list(block.lines())
    done = 0
    for first, after in _stretches(unsure):
        if first > done:
            mapped.add_verified(_text(written[done:first]), first - done)
        mapped.add_singles([reader.single(raw[place], ids[place]) for place in range(first, after)])
        done = after
    if done < len(written):
        mapped.add_verified(_text(written[done:]), len(written) - done)
    return mapped


class _AsTheyAre:
    """Lines that are events already, or should be: the strict rule says so."""

    def __init__(self, reader: LineReader) -> None:
        self._reader = reader

    def mapped(self, block: Block) -> MappedBlock | None:
        """What the lines say; None where they have to be taken singly."""
        text = _text_of(block)
        if text is None:
            return None
        sums = self._reader.ids.pass_over(block.number, lines_of(text))
        mapped, place, is_as_it_stands = MappedBlock(), 0, True
        for piece in pieces(text):
            events = _events_in(piece)
            ids = [event.event_id for event in events]
            if events and all(ids):
                mapped.add_verified(piece, len(events))
                place += len(events)
                continue
            is_as_it_stands = False
            lines = piece[:-1].split(b"\n")
            after = place + len(lines)
            part = _Part(block.number + place, lines, sums[place:after])
            self._take(part, events, _PARTS, mapped)
            place = after
        if is_as_it_stands:
            mapped.runs = [Run(text, mapped.events, is_verified=True)]
        return mapped

    def _take(
        self,
        part: "_Part",
        events: Sequence[KnownFieldsOnly],
        smaller: Sequence[int],
        mapped: MappedBlock,
    ) -> None:
        """Add the lines of a part: together where they are these `events`, and none lacks an id for
        another reason than that it has no such field; else in smaller parts."""
        named = self._named(part, events) if events else None
        if named is not None:
            mapped.add_verified(named, len(events))
            return
        if smaller:
            for piece in part.pieces(smaller[0]):
                self._take(piece, _events_in(piece.text()), smaller[1:], mapped)
            return
        called = self._reader.ids.called(part.number, part.sums)
        mapped.add_singles(
            [
                self._reader.single(RecordedLine(part.number + place, line, True), event_id)
                for place, (line, event_id) in enumerate(zip(part.lines, called, strict=True))
            ]
        )

    def _named(self, part: "_Part", events: Sequence[KnownFieldsOnly]) -> bytes | None:
        """The lines, each with an id; None where one says that it has none, or gets too long."""
        called = self._reader.ids.called(part.number, part.sums)
        named = [
            line if event.event_id else with_id(line, event_id)
            for line, event, event_id in zip(part.lines, events, called, strict=True)
        ]
        is_sure = all(event.event_id is not None for event in events)
        if is_sure and max(map(len, named)) <= MAX_EVENT_BYTES:
            return b"\n".join([*named, b""])
        return None


class _Part(NamedTuple):
    """Some lines, of which the first has this number, and what their ids are told by."""

    number: int
    lines: list[bytes]
    sums: Hashes

    def text(self) -> bytes:
        """Its lines as one text, each ended by LF."""
        return b"\n".join([*self.lines, b""])

    def pieces(self, size: int) -> Iterator["_Part"]:
        """The same, at most `size` lines each."""
        for first in range(0, len(self.lines), size):
            after = first + size
            yield _Part(self.number + first, self.lines[first:after], self.sums[first:after])


def _is_torn(line: MappedLine) -> bool:
    """Whether the file is damaged there: of a line that is too long, more is kept."""
    return not line.whole and len(line.text) < MAX_LINE_BYTES


def _events_in(lines: bytes) -> list[KnownFieldsOnly]:
    """The events that stand in the lines, one in each; none where that is not sure."""
    events: list[KnownFieldsOnly] = []
    # White space around the first or the last one would not be seen.
    is_plain = lines.startswith(b"{") and lines.endswith(b"}\n")
    return events if is_plain and is_clean(lines, events) else []


def _text_of(block: Block) -> bytes | None:
    """Its lines as UTF-8, each ended by LF alone; None where that can't be, or some are cut."""
    text = block.text
    if block.cut or not is_utf8(text):
        return None
    return text.replace(b"\r\n", b"\n") if b"\r" in text else text


def _text(lines: pl.Series) -> bytes:
    # By way of `str` it takes six times as long.
    text: bytes = lines.str.join("").cast(pl.Binary)[0]
    return text


def _stretches(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where places that follow each other begin, and where they are over."""
    begin = 0
    for at in range(1, len(places) + 1):
        if at == len(places) or places[at] != places[at - 1] + 1:
            yield places[begin], places[at - 1] + 1
            begin = at
