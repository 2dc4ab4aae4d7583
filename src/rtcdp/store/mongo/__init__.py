"""MongoDB as a store."""

from rtcdp.store.mongo.store import MongoStore

__all__ = ["MongoStore"]
