"""Whose counts are there already, while a contestant goes on: in a table of PostgreSQL, or in what
is committed of a topic."""

from collections.abc import Collection
from typing import Protocol

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

_BATCH, _PATIENCE_S = 10_000, 10.0
_MOMENT_S = 0.01


class Seen(Protocol):
    """Asked again and again by one thread."""

    def among(self, users: Collection[str]) -> set[str]:
        """Those of the users of whom a count is there. Each is asked for until it is."""
        ...

    def close(self) -> None:
        """Nothing is asked any more."""
        ...


class SeenInTable:
    """By a query; none is there while the table is missing."""

    def __init__(self, database: str, table: str, user: str) -> None:
        self._connection = psycopg.connect(database, autocommit=True)
        self._query = f"SELECT DISTINCT {user} FROM {table} WHERE {user} = ANY(%s)"

    def among(self, users: Collection[str]) -> set[str]:
        """As promised by `Seen`."""
        try:
            return {user for (user,) in self._connection.execute(self._query, [list(users)])}
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return set()

    def close(self) -> None:
        """As promised by `Seen`."""
        self._connection.close()


class SeenInTopic:
    """By reading along, committed records alone: a record's key holds the user."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        options = {"group.id": "seen", "isolation.level": "read_committed", "fetch.wait.max.ms": 10}
        self._consumer = Consumer({"bootstrap.servers": bootstrap, **options})
        self._topic = topic
        self._is_assigned = False
        self._come: set[str] = set()

    def among(self, users: Collection[str]) -> set[str]:
        """As promised by `Seen`."""
        if not self._is_assigned:
            known = self._consumer.list_topics(timeout=_PATIENCE_S).topics.get(self._topic)
            if known is None or not known.partitions:
                return set()
            places = [TopicPartition(self._topic, n, OFFSET_BEGINNING) for n in known.partitions]
            self._consumer.assign(places)
            self._is_assigned = True
        for message in self._consumer.consume(_BATCH, _MOMENT_S):
            if not message.error():
                self._come.add(message.key().decode().rpartition("\t")[2])
        return self._come.intersection(users)

    def close(self) -> None:
        """As promised by `Seen`."""
        self._consumer.close()
