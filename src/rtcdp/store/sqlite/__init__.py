"""SQLite as a store."""

from rtcdp.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
