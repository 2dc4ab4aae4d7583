"""Deleting the oldest chunks of the embedded log, a bounded number at a time."""

import sqlite3
from pathlib import Path

from rtcdp.log.embedded.file import (
    PAGE_BYTES,
    beside_bytes,
    read_extent,
    transaction,
    used_bytes,
)
from rtcdp.log.limits import Retention

STEP_CHUNKS = 256
STEP_BYTES = 32 * 2**20


def expire_some(
    connection: sqlite3.Connection, committed: int, retention: Retention, now_ms: int, path: Path
) -> int:
    """Delete some of what `retention` doesn't keep, in one short transaction.

    Only whole chunks before offset `committed` go. Returns the number of deleted records, 0 when
    nothing is left to delete. The caller holds the write turn.
    """
    with transaction(connection, "IMMEDIATE"):
        rows = connection.execute(
            "SELECT first_offset, received_at_max,"
            " coalesce(length(lines) + length(odd) + length(spans), 0)"
            " FROM chunk ORDER BY first_offset LIMIT ?",
            (STEP_CHUNKS + 1,),
        ).fetchall()
        end, _ = read_extent(connection, path)
        first = until = rows[0][0] if rows else end
        used = used_bytes(connection) + beside_bytes(path)
        freed = 0
        nexts = [*(row[0] for row in rows[1:]), end]
        newest = _not_from_the_future([row[1] for row in rows], now_ms)
        for (_, _, size), received_at_max, following in zip(
            rows[:STEP_CHUNKS], newest, nexts, strict=False
        ):
            age_ms = now_ms - received_at_max
            is_surplus = age_ms > retention.max_age_ms or used - freed > retention.max_bytes
            if following > committed or age_ms < retention.min_age_ms or not is_surplus:
                break
            until = following
            freed += -(-size // PAGE_BYTES) * PAGE_BYTES if size > PAGE_BYTES else size
            if freed >= STEP_BYTES:
                break
        connection.execute("DELETE FROM chunk WHERE first_offset < ?", (until,))
    return int(until - first)


def _not_from_the_future(received_at: list[object], now_ms: int) -> list[int]:
    """Intake times; those that lie ahead give way to the smallest one behind them. A clock that was
    ahead for a while must not keep a chunk, and all that follow it, until that time comes."""
    kept: list[int] = []
    earliest = now_ms
    for found in reversed(received_at):
        time = found if isinstance(found, int) else 0
        kept.append(time if time <= now_ms else earliest)
        earliest = min(earliest, kept[-1])
    return kept[::-1]
