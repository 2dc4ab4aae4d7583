"""The embedded log: one SQLite file, no server, one partition."""

from rtcdp.log.embedded_file import LogVersionMismatch
from rtcdp.log.embedded_reader import EmbeddedLogReader
from rtcdp.log.embedded_writer import EmbeddedLogWriter, TooManySources

__all__ = ["EmbeddedLogReader", "EmbeddedLogWriter", "LogVersionMismatch", "TooManySources"]
