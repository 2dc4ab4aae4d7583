"""Which pieces of recorded files a log holds: a table beside the records, written with them.

It is made when the first one is imported; older versions pass it over.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from rtcdp.log.contract import Delivery
from rtcdp.log.piece import Piece

_TABLE = """
CREATE TABLE IF NOT EXISTS imported_piece (
    key TEXT PRIMARY KEY,
    after TEXT NOT NULL,
    byte_count INTEGER NOT NULL,
    name TEXT NOT NULL,
    received_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
_INDEX = "CREATE INDEX IF NOT EXISTS imported_piece_after ON imported_piece (after)"
_TOLD_MAX = 10_000


def pieces_after(connection: sqlite3.Connection, key: str) -> list[Piece]:
    """Those that follow the text which `key` names, the latest 10,000 of them."""
    if not _is_there(connection):
        return []
    rows = connection.execute(
        "SELECT key, byte_count, name FROM imported_piece WHERE after = ?"
        " ORDER BY received_at DESC LIMIT ?",
        (key, _TOLD_MAX),
    ).fetchall()
    return [
        Piece(key, found.decode(), byte_count, name.decode(errors="replace"))
        for found, byte_count, name in rows
    ]


def register(connection: sqlite3.Connection, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """Write down the pieces that the deliveries are of, in the caller's transaction. Returns the
    deliveries, without the records of pieces that are there already."""
    if not any(delivery.piece for delivery in deliveries):
        return deliveries
    connection.execute(_TABLE)
    connection.execute(_INDEX)
    new: dict[str, Piece] = {}
    kept = []
    for delivery in deliveries:
        piece = delivery.piece
        if piece is not None and piece.key not in new and not _holds(connection, piece.key):
            new[piece.key] = piece
            connection.execute(
                "INSERT INTO imported_piece VALUES (?, ?, ?, ?, ?)",
                (piece.key, piece.after, piece.byte_count, piece.name, delivery.received_at),
            )
        # Those of one request have one piece; who sent it again at the same time has another.
        is_known = piece is not None and new.get(piece.key) is not piece
        kept.append(
            replace(delivery, lines=b"", line_count=0, rejects=()) if is_known else delivery
        )
    return kept


def _is_there(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'imported_piece'")
    return bool(found.fetchall())


def _holds(connection: sqlite3.Connection, key: str) -> bool:
    found = connection.execute("SELECT 1 FROM imported_piece WHERE key = ?", (key,))
    return bool(found.fetchall())
