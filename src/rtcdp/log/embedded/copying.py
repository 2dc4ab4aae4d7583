"""A copy of the embedded log, made while others append, and how it takes its place again.

SQLite writes the copy from one state of the file (`VACUUM INTO`, https://sqlite.org/lang_vacuum.html):
it holds what the log holds, and nothing of what was deleted from it.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from rtcdp.clock import Clock
from rtcdp.log.contract import LogUnavailable
from rtcdp.log.embedded.errors import errors_of
from rtcdp.log.embedded.file import LOCK_TIMEOUT_MS, file_of, has_schema
from rtcdp.log.embedded.writer import EmbeddedLogWriter
from rtcdp.private_files import open_private_file


def copy_log(directory: Path, target: Path) -> None:
    """Write the log in `directory` to the file `target`, as it is at one moment after the call.
    `target` is empty until that moment has come. The log's WAL can't be emptied meanwhile.

    Raises `LogUnavailable` when there is no log or no room, and what reading the log raises.
    """
    path = file_of(directory)
    os.close(open_private_file(target))
    with errors_of(path):
        # Read-only: the last one to close a database writes its WAL back, which is a writer's turn.
        uri = f"{path.absolute().as_uri()}?mode=ro"
        timeout_s = LOCK_TIMEOUT_MS / 1000
        with closing(sqlite3.connect(uri, uri=True, timeout=timeout_s)) as connection:
            connection.isolation_level = None
            connection.text_factory = bytes
            if not has_schema(connection, path):
                raise LogUnavailable(f"{path} is empty", "start what writes to it: rtcdp up")
            connection.execute("VACUUM INTO ?", (str(target.absolute()),))


def bring_back_log(directory: Path, clock: Clock) -> None:
    """Make the copy that lies in `directory` a log that can be written to. Raises what
    `EmbeddedLogWriter` raises, for a file that is none as well."""
    path = file_of(directory)
    with errors_of(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    EmbeddedLogWriter(directory, clock, must_exist=True).close()
