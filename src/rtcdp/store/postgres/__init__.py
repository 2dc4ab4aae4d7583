"""PostgreSQL as a store."""

from rtcdp.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
