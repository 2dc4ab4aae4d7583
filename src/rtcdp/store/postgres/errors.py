"""What PostgreSQL says when it does not do what it is asked, in the words of the store's contract.

Its five-letter codes decide; where libpq gives none (while it connects), its words have to do.
"""

import re

from rtcdp.errors import RtcdpError, UsageError
from rtcdp.store.contract import RowsRefused, StateMismatch, StoreForbidden, StoreUnavailable


class StoreLocked(StoreUnavailable):
    """What is held by another transaction was waited for in vain."""


_RULES: tuple[tuple[tuple[str, ...], type[RtcdpError], str], ...] = (
    (
        ("28",),
        StoreForbidden,
        "check the user and the password of the store's URL, and what pg_hba.conf allows",
    ),
    (
        ("42501",),
        StoreForbidden,
        "grant this user what it lacks, or name a schema that it owns: add ?schema=NAME to the URL",
    ),
    (
        ("3D000",),
        StoreForbidden,
        "create the database first, or name one that is there in the store's URL",
    ),
    (
        ("42P07", "42710"),
        UsageError,
        "another program uses that name; give the store a schema of its own: add ?schema=NAME",
    ),
    (
        ("42P01", "42703", "3F000", "42883"),
        StateMismatch,
        "run all parts with the same version and the same catalog",
    ),
    (
        ("22", "23", "54"),
        RowsRefused,
        "this is a defect of the engine; report it with this message",
    ),
    (
        ("55P03",),
        StoreLocked,
        "another process writes to this store, or somebody holds its tables; it is tried again",
    ),
    (
        ("53",),
        StoreUnavailable,
        "give the server more room or more connections; it is tried again",
    ),
    (
        # A statement that was made ready for a table which has other columns now.
        ("0A000",),
        StoreUnavailable,
        "the store's definitions were changed; it is tried again",
    ),
    (
        ("25006",),
        StoreUnavailable,
        "name the primary server in the store's URL, or add target_session_attrs=read-write",
    ),
    (
        ("08", "40", "57", "58", "25P03"),
        StoreUnavailable,
        "check that the server runs; it is tried again",
    ),
)
"""Codes, or how they begin, with what they mean; the first that fits."""

# libpq breaks lines within a sentence, too.
_NEXT_SENTENCE = re.compile(r"\n\s*(?=[A-Z])")

_WORDS_WHILE_CONNECTING = (
    (
        re.compile(
            r"authentication failed|no password supplied|pg_hba\.conf|not permitted to log in"
            r'|role "[^"]*" does not exist'
        ),
        "28000",
    ),
    (re.compile(r'database "[^"]*" does not exist'), "3D000"),
)


def error_of(code: str | None, words: str, place: str) -> RtcdpError:
    """The error for what a statement met. `words` are the server's, `place` says where it is.

    Without a code the connection itself has failed. A code that nobody expects is a mistake in the
    program, and says so.
    """
    sentences = _NEXT_SENTENCE.sub("; ", words.strip())
    said = f"{place}: {' '.join(sentences.split())}"
    if code is None:
        return StoreUnavailable(said, "check that the server runs; it is tried again")
    for beginnings, kind, hint in _RULES:
        if code.startswith(beginnings):
            return kind(said, hint)
    return RtcdpError(f"{said} ({code})", "this is a defect; report it with this message")


def error_while_connecting(words: str, place: str) -> RtcdpError:
    """The error for a connection that did not come about."""
    code = next((code for signs, code in _WORDS_WHILE_CONNECTING if signs.search(words)), None)
    # Of a single server, libpq says again which one it is.
    _, again, reason = words.partition(" failed: ")
    return error_of(code, reason if again and " failed: " not in reason else words, place)
