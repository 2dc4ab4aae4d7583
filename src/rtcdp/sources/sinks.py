"""Where lines go: a collector (`sender`), a file, or a stream such as standard output."""

import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from rtcdp.errors import PartMissing
from rtcdp.events.judged import Run
from rtcdp.log.piece import Piece
from rtcdp.private_files import open_private_file


@dataclass(frozen=True)
class Receipt:
    """What became of the lines that were written, in numbers of lines.

    `accepted` were taken as events, `duplicates` as events whose ids the collector had lately seen,
    `rejected` as dead letters. `unconfirmed` got no answer before the writer was told to stop:
    they may be in the log or not. The four add up to the lines written. `retries` counts requests
    that were sent again.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    unconfirmed: int = 0
    retries: int = 0

    @property
    def sent(self) -> int:
        """Lines that were answered for."""
        return self.accepted + self.duplicates + self.rejected

    def __add__(self, other: "Receipt") -> "Receipt":
        return Receipt(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.rejected + other.rejected,
            self.unconfirmed + other.unconfirmed,
            self.retries + other.retries,
        )


class Sink(Protocol):
    """Takes lines without newlines, in order. `write` returns when they are where they belong."""

    def write(self, lines: Sequence[bytes]) -> Receipt: ...

    def close(self) -> None: ...


@runtime_checkable
class RunSink(Sink, Protocol):
    """A sink that takes what has been judged as such, in pieces of recorded files of about
    `piece_bytes`, under the name `source`; it may know those that it has taken before."""

    source: str
    piece_bytes: int

    def write_runs(self, runs: Sequence[Run], piece: Piece | None) -> Receipt:
        """Take the records of all runs, in order. Those of a `piece` are taken all or none of them,
        and once; but where a collector takes only less at a time, all but the last part of them
        goes without the piece, and only its ids keep that from counting twice."""
        ...

    def pieces_after(self, key: str) -> Sequence[Piece]:
        """The pieces that were taken and follow the text which `key` names."""
        ...


class StreamSink:
    """Writes NDJSON to an open binary stream and flushes each batch. Does not close the stream.

    Raises `BrokenPipeError` when the reader at the other end has gone.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, lines: Sequence[bytes]) -> Receipt:
        _write_lines(self._stream, lines)
        self._stream.flush()
        return Receipt(accepted=len(lines))

    def close(self) -> None:
        self._stream.flush()


class FileSink:
    """Writes NDJSON to a new file (mode 0600), compressed if its name ends in .gz.

    Raises `PartMissing` if the file can't be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._raw = os.fdopen(open_private_file(path), "wb")
        except OSError as error:
            raise PartMissing(
                f"{path} can't be written: {error.strerror}",
                "Name a file in a directory that exists and that you may write to.",
            ) from error
        self._file: BinaryIO | gzip.GzipFile = self._raw
        if path.suffix == ".gz":
            self._file = gzip.GzipFile(path.name, "wb", 1, self._raw, mtime=0)

    def write(self, lines: Sequence[bytes]) -> Receipt:
        _write_lines(self._file, lines)
        return Receipt(accepted=len(lines))

    def close(self) -> None:
        self._file.close()
        self._raw.close()


def _write_lines(stream: BinaryIO | gzip.GzipFile, lines: Sequence[bytes]) -> None:
    if lines:
        stream.write(b"\n".join(lines) + b"\n")
