"""What ends the transaction of a writer that is frozen while it holds the writers' lock.

A client that was stopped after it had handed statements over, and before the mark of their end, is
"active" for the server, which waits for its next words: no time limit of the server's applies.
Whoever waits for the lock in vain looks for such a one, and ends its session. To the frozen one,
should it ever go on, that is a connection that was lost.
"""

import polars as pl

from rtcdp.store.postgres.connection import PostgresConnection
from rtcdp.store.sql.statements import one_row

SILENT_MS_MIN = 10_000
"""So long a holder has said nothing at the first look. It is ended when it says nothing for as long
after that."""

_HOLDER = pl.Schema({"pid": pl.Int64(), "spoke_at": pl.Int64()})

# A session's state changes with each statement that comes: one that has not changed, in a session
# that waits for its client, means that nothing came in between.
_HOLDERS = """
    SELECT pid::bigint AS pid, (EXTRACT(EPOCH FROM state_change) * 1000000)::bigint AS spoke_at
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND classid = $1::integer::oid
    AND objid = $2::integer::oid AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND usename = current_user AND state = 'active' AND wait_event = 'ClientRead'
    AND state_change < clock_timestamp() - $3::bigint * INTERVAL '1 millisecond'
"""

# In the list of columns: among the conditions it might be run before the others have decided.
_END = f"""
    WITH held AS MATERIALIZED ({_HOLDERS})
    SELECT pg_terminate_backend(pid::integer)::integer::bigint AS ended FROM held
    WHERE pid = $4::bigint AND spoke_at = $5::bigint
"""  # noqa: S608 - only a constant is put into it
_ENDED = pl.Schema({"ended": pl.Int64()})


def end_frozen(connection: PostgresConnection, lock: pl.DataFrame) -> int:
    """End the sessions that hold the advisory lock of these two numbers, transact as this user, and
    are silent in the midst of their statements for twice `SILENT_MS_MIN`; returns their number.

    It takes `SILENT_MS_MIN` where one may be frozen. Needs no right but to be the same user.
    """
    asked = lock.with_columns(pl.lit(SILENT_MS_MIN, pl.Int64).alias("silent_ms"))
    suspects = connection.query(_HOLDERS, _HOLDER, asked)
    if suspects.is_empty():
        return 0
    connection.run("SELECT pg_sleep($1::bigint / 1000.0)", one_row(SILENT_MS_MIN))
    ended = connection.query(_END, _ENDED, asked.join(suspects, how="cross"))
    return int(ended["ended"].sum())
