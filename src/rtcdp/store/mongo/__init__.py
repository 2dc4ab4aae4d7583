"""MongoDB as a store."""

from rtcdp.store.mongo.searching import values_with
from rtcdp.store.mongo.store import MongoStore

__all__ = ["MongoStore", "open_store", "values_with"]


def open_store(url: str, *, read_only: bool = False) -> MongoStore:
    """The store at `mongodb://…`, which may not be there yet. Raises what `MongoStore` raises."""
    return MongoStore(url, read_only=read_only)
