"""PostgreSQL as a store."""

from rtcdp.store.postgres.store import PostgresStore

__all__ = ["PostgresStore", "open_store"]


def open_store(url: str, *, read_only: bool = False) -> PostgresStore:
    """The store at `postgresql://…`, which may not be there yet. Raises what the class raises."""
    return PostgresStore(url, read_only=read_only)
