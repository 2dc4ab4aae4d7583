import sqlite3

import pytest

from rtcdp.log.contract import LogFailed, LogUnavailable
from rtcdp.log.embedded.errors import errors_of


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (sqlite3.SQLITE_FULL, LogUnavailable),
        (sqlite3.SQLITE_BUSY, LogUnavailable),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, LogUnavailable),
        (sqlite3.SQLITE_CANTOPEN, LogUnavailable),
        (sqlite3.SQLITE_READONLY, LogUnavailable),
        (sqlite3.SQLITE_IOERR_FSYNC, LogFailed),
        (sqlite3.SQLITE_IOERR_WRITE, LogFailed),
        (sqlite3.SQLITE_IOERR_SHMSIZE, LogFailed),
        (sqlite3.SQLITE_CORRUPT, LogFailed),
        (sqlite3.SQLITE_NOTADB, LogFailed),
    ],
)
def test_only_what_can_pass_is_called_unavailable(directory, code, meaning):
    error = sqlite3.OperationalError("message of SQLite")
    error.sqlite_errorcode, error.sqlite_errorname = code, "NAME"
    with pytest.raises(meaning, match="message of SQLite") as caught, errors_of(directory):
        raise error
    assert caught.value.hint
