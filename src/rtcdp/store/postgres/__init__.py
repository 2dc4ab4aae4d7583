"""PostgreSQL as a store."""

from rtcdp.store.postgres.copying import (
    COPY_NAME,
    bring_back_store,
    copy_store,
    holds_a_store,
    take_away_store,
)
from rtcdp.store.postgres.searching import values_with
from rtcdp.store.postgres.store import PostgresStore

__all__ = [
    "COPY_NAME",
    "PostgresStore",
    "bring_back_store",
    "copy_store",
    "holds_a_store",
    "open_store",
    "take_away_store",
    "values_with",
]


def open_store(url: str, *, read_only: bool = False) -> PostgresStore:
    """The store at `postgresql://…`, which may not be there yet. Raises what the class raises."""
    return PostgresStore(url, read_only=read_only)
