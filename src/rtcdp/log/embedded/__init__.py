"""The embedded log: one SQLite file, no server, one partition."""

from rtcdp.log.embedded.file import LogVersionMismatch
from rtcdp.log.embedded.reader import EmbeddedLogReader
from rtcdp.log.embedded.writer import EmbeddedLogWriter, TooManySources

__all__ = ["EmbeddedLogReader", "EmbeddedLogWriter", "LogVersionMismatch", "TooManySources"]
