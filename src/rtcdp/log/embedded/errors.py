"""What SQLite's errors mean for the embedded log: what may pass, and what is broken."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtcdp.log.contract import LogFailed, LogGone, LogUnavailable

_PASSING = {
    sqlite3.SQLITE_FULL: "free some space on the disk; nothing was lost",
    sqlite3.SQLITE_BUSY: "end the program that holds a lock on the file",
    sqlite3.SQLITE_LOCKED: "end the program that holds a lock on the file",
    sqlite3.SQLITE_CANTOPEN: "check that the directory exists and that its owner runs rtcdp",
    sqlite3.SQLITE_READONLY: "make the directory and its files writable for this user",
    sqlite3.SQLITE_PERM: "make the directory and its files writable for this user",
    sqlite3.SQLITE_NOMEM: "give the process more memory",
}
_MALFORMED_HINT = (
    "stop every rtcdp process, copy the directory, and rebuild the file with "
    "`sqlite3 log.db .recover`; offsets stay as they are"
)


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into `LogUnavailable` or `LogFailed`."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        hint = _PASSING.get(code & 0xFF)
        if hint is not None:
            raise LogUnavailable(f"{path} can't be used now: {error}", hint) from error
        if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise malformed(path, str(error)) from error
        name = getattr(error, "sqlite_errorname", "no code")
        raise LogFailed(
            f"{path} broke: {error} ({name})",
            "check the disk and the system's log, then restart: what is durable is recovered",
        ) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes a damaged schema
        raise malformed(path, "its schema can't be read") from error
    except OSError as error:
        raise LogUnavailable(
            f"{path} can't be used now: {error}",
            "check that the directory exists, that this user owns it, and that files can be opened",
        ) from error


def gone(path: Path) -> LogGone:
    """What to say of a file that was there."""
    is_there = path.exists()
    return LogGone(
        f"{path} was {'replaced by another file' if is_there else 'deleted'} while it was in use",
        "bring back the one that was there; to begin with a new log, stop rtcdp and give it a store"
        " of its own",
    )


def malformed(path: Path, what: str) -> LogFailed:
    return LogFailed(f"{path} is damaged: {what}", _MALFORMED_HINT)
