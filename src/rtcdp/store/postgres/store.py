# ruff: noqa: S608 - only quoted names and placeholders are put into SQL; values are bound
"""The store in a schema of a PostgreSQL database, version 13 or newer."""

from collections.abc import Mapping

from rtcdp.store.postgres.address import parse_address
from rtcdp.store.postgres.connection import ANSWER_TIMEOUT_S
from rtcdp.store.postgres.readers import PostgresReaders
from rtcdp.store.postgres.schema import open_writer
from rtcdp.store.sql.statements import quote
from rtcdp.store.sql.store import Older, SqlStore

_EXPIRED_AT_ONCE = 20_000


class PostgresStore(SqlStore):
    """A `Store` at `postgresql://…`; see `rtcdp.store.contract` for what each method promises.

    Nothing is opened or made before it is needed. With `read_only` it never writes, and answers
    from an empty store until another process has made the tables. One process writes at a time;
    another one's transaction is waited for. A server that is silent for `answer_timeout_s` is
    given up. Safe to use from several threads. Raises `UsageError` for a URL that can't be read.
    """

    def __init__(
        self, url: str, *, read_only: bool = False, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        address = parse_address(url)
        super().__init__(
            PostgresReaders(address, answer_timeout_s),
            lambda: open_writer(address, answer_timeout_s),
            read_only=read_only,
        )

    def expire(
        self, *, buckets_before: int, uncounted_before: int, offsets_before: Mapping[int, int]
    ) -> int:
        """As promised by `Store`, some rows at a time, so that no commit waits for long."""
        deleted = super().expire(
            buckets_before=buckets_before,
            uncounted_before=uncounted_before,
            offsets_before=offsets_before,
        )
        # Long texts are no rows of their own to whoever counts.
        self._expire_table("_long_texts", Older("newest_bucket", buckets_before))
        return deleted

    def _expire_table(self, table: str, older: Older) -> int:
        deleted = 0
        while True:
            with self._leased() as connection:
                condition = older.condition(connection.dialect.placeholder)
                step = connection.run(
                    f"DELETE FROM {quote(table)} WHERE ctid = ANY (ARRAY("
                    f"SELECT ctid FROM {quote(table)} WHERE {condition} LIMIT {_EXPIRED_AT_ONCE}))",
                    older.bound,
                )
            deleted += step
            if step < _EXPIRED_AT_ONCE:
                return deleted
