# ruff: noqa: S608 - only placeholders are put into SQL; values are bound
"""The right to write to a SQL store: one row, and a token that grows with each new holder.

A lease makes two processors on one store a clear refusal instead of a race. What makes it safe is
the token: every write checks it in its own transaction, so that a holder which was paused for
longer than its lease can't write any more when it wakes (Kleppmann, How to do distributed locking,
2016: fencing tokens).
"""

import polars as pl

from rtcdp.store.contract import Lease
from rtcdp.store.rules import check_holds, refuse_held
from rtcdp.store.sql.statements import SqlConnection, one_row

_SCHEMA = pl.Schema({"token": pl.Int64, "holder": pl.String, "expires_at": pl.Int64})


def take_lease(
    connection: SqlConnection, holder: str, now_ms: int, ttl_ms: int, over: int | None
) -> Lease:
    """Give the lease to `holder`, inside a transaction that excludes other writers.

    Raises `LeaseHeld` while another one's lasts and `over` is not its token.
    """
    held = read_lease(connection)
    if held is not None and held.holder != holder and held.token != over:
        refuse_held(held, now_ms)
    # Also for the holder itself: what it has sent before and forgotten is refused, too.
    lease = Lease(1 if held is None else held.token + 1, holder, now_ms + ttl_ms)
    connection.run(
        "INSERT INTO _lease (id, token, holder, expires_at)"
        f" VALUES ({connection.dialect.placeholders(4)}) ON CONFLICT (id) DO UPDATE SET"
        " token = excluded.token, holder = excluded.holder, expires_at = excluded.expires_at",
        one_row(1, lease.token, lease.holder, lease.expires_at),
    )
    return lease


def check_lease(connection: SqlConnection, lease: Lease | None) -> None:
    """Raises `LeaseLost` when another holder came after `lease`."""
    if lease is not None:
        check_holds(read_lease(connection), lease)


def prolong_lease(connection: SqlConnection, lease: Lease, expires_at: int) -> None:
    """Let a lease last until `expires_at` (UTC ms). Raises `LeaseLost`."""
    check_lease(connection, lease)
    p = connection.dialect.placeholder
    connection.run(
        f"UPDATE _lease SET expires_at = {p(1)} WHERE token = {p(2)}",
        one_row(expires_at, lease.token),
    )


def read_lease(connection: SqlConnection) -> Lease | None:
    """The newest lease, whether it lasts or not; None before the first."""
    rows = connection.query("SELECT token, holder, expires_at FROM _lease", _SCHEMA).rows()
    return Lease(*rows[0]) if rows else None
