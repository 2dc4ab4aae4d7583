"""The embedded log: one SQLite file, no server, one partition."""

from pathlib import Path

from rtcdp.clock import Clock
from rtcdp.log.embedded.copying import bring_back_log, copy_log
from rtcdp.log.embedded.file import LogVersionMismatch, file_of
from rtcdp.log.embedded.reader import EmbeddedLogReader
from rtcdp.log.embedded.writer import EmbeddedLogWriter, TooManySources
from rtcdp.log.limits import LogOptions

__all__ = [
    "EmbeddedLogReader",
    "EmbeddedLogWriter",
    "LogVersionMismatch",
    "TooManySources",
    "bring_back_log",
    "copy_log",
    "file_of",
    "open_reader",
    "open_writer",
]


def open_reader(url: str, options: LogOptions) -> EmbeddedLogReader:
    """A reader of the log at `embedded:DIR`, which may not be there yet."""
    del options
    return EmbeddedLogReader(_directory_of(url))


def open_writer(url: str, clock: Clock, options: LogOptions) -> EmbeddedLogWriter:
    """A writer of the log at `embedded:DIR`. Raises what `EmbeddedLogWriter` raises."""
    return EmbeddedLogWriter(_directory_of(url), clock, must_exist=options.must_exist)


def _directory_of(url: str) -> Path:
    return Path(url.partition(":")[2])
