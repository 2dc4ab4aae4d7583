"""SQLite as a store."""

from pathlib import Path

from rtcdp.store.sqlite.copying import (
    COPY_NAME,
    bring_back_store,
    copy_store,
    holds_a_store,
)
from rtcdp.store.sqlite.store import SqliteStore

__all__ = [
    "COPY_NAME",
    "SqliteStore",
    "bring_back_store",
    "copy_store",
    "holds_a_store",
    "open_store",
]


def open_store(url: str, *, read_only: bool = False) -> SqliteStore:
    """The store at `sqlite:FILE`, which may not be there yet. Raises what `SqliteStore` raises."""
    return SqliteStore(Path(url.partition(":")[2]), read_only=read_only)
