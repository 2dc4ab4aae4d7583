"""Which traces the records of an embedded log belong to: a note for each delivery, in a file beside
the log, for whoever counts them. Traces are no part of the log: what is lost of them is not missed.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

NOTES = "traces"
MAX_BYTES = 2**20
"""A file that is longer becomes the one of before, which is forgotten with the next."""

_BEFORE = f"{NOTES}.old"


@dataclass(frozen=True)
class Note:
    """The records `[first_offset, next_offset)` of a partition belong to the trace that `trace`
    continues, a `traceparent` (W3C Trace Context)."""

    partition: int
    first_offset: int
    next_offset: int
    trace: str


def write_notes(directory: Path, notes: Sequence[Note]) -> None:
    """Add notes to those of the log in `directory`. A disk that has no room for them is nobody's
    error: the events are what counts."""
    path = directory / NOTES
    lines = "".join(
        f"{each.partition} {each.first_offset} {each.next_offset} {each.trace}\n" for each in notes
    )
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # In one piece: several processes may write.
            os.write(file, lines.encode())
            size = os.fstat(file).st_size
        finally:
            os.close(file)
        if size > MAX_BYTES:
            path.replace(directory / _BEFORE)
    except OSError:
        return


class NoteReader:
    """Reads the notes of the log in `directory` as they come, each once."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NOTES
        self._before = directory / _BEFORE
        self._identity = 0
        self._read_bytes = 0

    def new(self) -> list[Note]:
        """Those that came since it was asked last; those that a longer rest has lost are lost."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                notes: list[Note] = []
                if status.st_ino != self._identity or status.st_size < self._read_bytes:
                    notes = self._rest_of_the_one_before()
                    self._identity, self._read_bytes = status.st_ino, 0
                return notes + self._rest_of(file)
        except OSError:
            return self._rest_of_the_one_before()

    def _rest_of_the_one_before(self) -> list[Note]:
        """What came between the last look and the turn, where it was read up to there."""
        try:
            with self._before.open("rb") as file:
                is_ours = os.fstat(file.fileno()).st_ino == self._identity
                return self._rest_of(file) if is_ours else []
        except OSError:
            return []

    def _rest_of(self, file: BinaryIO) -> list[Note]:
        file.seek(self._read_bytes)
        whole, _, _ = file.read(2 * MAX_BYTES).rpartition(b"\n")
        self._read_bytes += len(whole) + 1 if whole else 0
        return list(_notes_in(whole.decode(errors="replace")))


def _notes_in(text: str) -> Iterator[Note]:
    for line in text.splitlines():
        match line.split(" "):
            case [partition, first, end, trace] if (partition + first + end).isdecimal():
                yield Note(int(partition), int(first), int(end), trace)
