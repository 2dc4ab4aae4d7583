# ruff: noqa: S608 - only placeholders are put into SQL; values are bound
"""The tables by which a PostgreSQL store is divided into shards, and what reads and changes them.

One row says how it is divided; each shard has a row with its number of epochs and its lease, and
each processor that takes part one with the time until which it is taken to live.
"""

from collections.abc import Mapping

import polars as pl

from rtcdp.store.contract import Lease, LeaseLost, Progress
from rtcdp.store.divided import ShardsClosed
from rtcdp.store.division import Division, Shards, ShardState
from rtcdp.store.rules import refuse_held
from rtcdp.store.sql.lease import read_lease
from rtcdp.store.sql.reading import read_progress
from rtcdp.store.sql.statements import SqlConnection, one_row

DIVISION_TABLES = (
    "CREATE TABLE _division (id bigint PRIMARY KEY CHECK (id = 1), shards bigint NOT NULL,"
    " partitions bigint NOT NULL, is_open bigint NOT NULL)",
    "INSERT INTO _division VALUES (1, 1, 0, 0)",
    "CREATE TABLE _shards (shard bigint PRIMARY KEY, epoch bigint NOT NULL,"
    " committed_at bigint NOT NULL, token bigint NOT NULL, holder text NOT NULL,"
    " expires_at bigint NOT NULL) WITH (fillfactor = 50)",
    "CREATE TABLE _members (member text PRIMARY KEY, expires_at bigint NOT NULL)",
)
"""What a version adds to the store's own tables."""

_FIRST_TOKEN = 2**40
"""Tokens of shards are no tokens of the store's own lease."""

_DIVISION = pl.Schema(dict.fromkeys(("shards", "partitions", "is_open"), pl.Int64()))
_SHARD = pl.Schema(
    {
        **dict.fromkeys(("shard", "epoch", "committed_at", "token"), pl.Int64()),
        "holder": pl.String(),
        "expires_at": pl.Int64(),
    }
)
_MEMBER = pl.Schema({"member": pl.String(), "expires_at": pl.Int64()})
_COLUMNS = ", ".join(_SHARD)


def read_shards(connection: SqlConnection) -> Shards:
    """How the store is divided, and who has what."""
    division, is_open = _division(connection)
    states = tuple(
        ShardState(*row)
        for row in connection.query(
            f"SELECT {_COLUMNS} FROM _shards WHERE shard < $1 ORDER BY shard",
            _SHARD,
            one_row(division.shards),
        ).rows()
    )
    members = connection.query("SELECT member, expires_at FROM _members", _MEMBER)
    caretaker = read_lease(connection) or Lease(0, "", 0)
    return Shards(
        division,
        is_open,
        states,
        dict(members.rows()),
        caretaker.holder,
        caretaker.expires_at,
    )


def read_shard_states(connection: SqlConnection) -> tuple[ShardState, ...]:
    """The shards of a store that is divided; none of one that is not."""
    rows = connection.query(
        f"SELECT {_COLUMNS} FROM _shards, _division"
        " WHERE is_open = 1 AND shards > 1 AND shard < shards ORDER BY shard",
        _SHARD,
    ).rows()
    return tuple(ShardState(*row) for row in rows)


def put_member(connection: SqlConnection, member: str, now_ms: int, expires_at: int) -> None:
    """Let a processor live until a time, or not at all; those whose time is over go."""
    connection.run(
        "INSERT INTO _members (member, expires_at) VALUES ($1, $2)"
        " ON CONFLICT (member) DO UPDATE SET expires_at = excluded.expires_at",
        one_row(member, expires_at),
    )
    # Those of others who report just now live: to wait for each other would be a deadlock.
    connection.run(
        "DELETE FROM _members WHERE member IN (SELECT member FROM _members"
        " WHERE expires_at <= $1 FOR UPDATE SKIP LOCKED)",
        one_row(now_ms),
    )


def end_shard_lease(connection: SqlConnection, token: int) -> None:
    """End the lease of a shard that has this token, if one has."""
    connection.run("UPDATE _shards SET expires_at = 0 WHERE token = $1", one_row(token))


def end_division(connection: SqlConnection, now_ms: int) -> None:
    """Let the store be one whole again. Raises `LeaseHeld` while a shard is held."""
    shards = read_shards(connection)
    for state in shards.states:
        refuse_held(_lease_of(state), now_ms)
    if shards.division.shards > 1:
        close(connection, Division(1, shards.division.partitions))


def close(connection: SqlConnection, division: Division) -> None:
    """Divide the store, and take every shard from whoever has it.

    What a shard does next is numbered behind all that was ever committed, so that a user whose
    shard is another one now has no two parts of a story with one number.
    """
    epoch, token = read_progress(connection).epoch, _next_token(connection)
    connection.run("DELETE FROM _shards WHERE shard >= $1", one_row(division.shards))
    for shard in range(division.shards):
        connection.run(
            f"INSERT INTO _shards ({_COLUMNS}) VALUES ($1, $2, 0, $3, '', 0)"
            " ON CONFLICT (shard) DO UPDATE SET token = excluded.token, holder = '',"
            " expires_at = 0, epoch = GREATEST(_shards.epoch, excluded.epoch)",
            one_row(shard, epoch, token + shard),
        )
    connection.run(
        "UPDATE _division SET shards = $1, partitions = $2, is_open = 0",
        one_row(division.shards, division.partitions),
    )
    connection.run("UPDATE _partitions SET max_received_at = NULL WHERE max_received_at = 0")


def open_shards(connection: SqlConnection, first_offsets: Mapping[int, int]) -> None:
    """Let shards be taken.

    Where a shard has counted nothing yet, nobody knows what waits there: windows become final when
    it has. The time 0 of one of its partitions says so.
    """
    division, _ = _division(connection)
    known = read_progress(connection).max_received_at
    for shard in range(division.shards):
        partitions = [p for p in division.partitions_of(shard) if p in first_offsets]
        if not partitions or known.keys() & set(partitions):
            continue
        connection.run(
            'INSERT INTO _partitions ("partition", next_offset, max_received_at, decided_from)'
            ' VALUES ($1, $2, 0, $2) ON CONFLICT ("partition") DO UPDATE SET max_received_at = 0',
            one_row(partitions[0], first_offsets[partitions[0]]),
        )
    connection.run("UPDATE _division SET is_open = 1")


def take_shard(
    connection: SqlConnection, shard: int, taker: Lease, now_ms: int, over: int | None
) -> Lease:
    """Give a shard to the `taker`, whose token counts for nothing. Raises `ShardsClosed`, and
    `LeaseHeld` while another one has it and `over` is not its token."""
    state = _open_shard(connection, shard)
    if state.holder != taker.holder and state.token != over:
        refuse_held(_lease_of(state), now_ms)
    lease = Lease(_next_token(connection), taker.holder, taker.expires_at)
    connection.run(
        "UPDATE _shards SET token = $2, holder = $3, expires_at = $4 WHERE shard = $1",
        one_row(shard, lease.token, lease.holder, lease.expires_at),
    )
    return lease


def prolong_shard(connection: SqlConnection, shard: int, lease: Lease, expires_at: int) -> None:
    """Let the lease of a shard last until a time. Raises `LeaseLost`."""
    check_shard(connection, shard, lease)
    connection.run(
        "UPDATE _shards SET expires_at = $2 WHERE shard = $1", one_row(shard, expires_at)
    )


def check_shard(connection: SqlConnection, shard: int, lease: Lease | None) -> None:
    """Raises `LeaseLost` when a shard is somebody else's by now, or nobody's. Until the transaction
    ends, it stays whose it is."""
    state = _shard(connection, shard, " FOR UPDATE")
    if lease is not None and (state is None or state.token != lease.token):
        by = f" by {state.holder}" if state is not None and state.holder else ""
        raise LeaseLost(
            f"the right to shard {shard} of this store was taken over{by}",
            "it is taken again when it is free",
        )


def shard_epoch(connection: SqlConnection, shard: int) -> int:
    """The number of the last epoch of a shard."""
    state = _shard(connection, shard)
    return 0 if state is None else state.epoch


def advance_shard(connection: SqlConnection, shard: int, epoch: int, committed_at: int) -> None:
    """Note the last epoch of a shard. Its partitions have counted something now, or will be waited
    for no longer."""
    connection.run(
        "UPDATE _shards SET epoch = $2, committed_at = $3 WHERE shard = $1",
        one_row(shard, epoch, committed_at),
    )
    connection.run(
        "UPDATE _partitions SET max_received_at = NULL FROM _division"
        ' WHERE max_received_at = 0 AND "partition" % shards = $1',
        one_row(shard),
    )


def progress_of_shard(whole: Progress, division: Division, state: ShardState) -> Progress:
    """The part of a store's progress that is a shard's."""

    def own(kept: Mapping[int, object]) -> dict[int, object]:
        return {p: value for p, value in kept.items() if division.shard_of(p) == state.shard}

    parts = ("next_offsets", "max_received_at", "remembered_from", "decided_from", "marks")
    kept = {name: own(getattr(whole, name)) for name in parts}
    return Progress(
        epoch=state.epoch,
        committed_at=state.committed_at,
        engine=whole.engine,
        log_id=whole.log_id,
        **kept,  # type: ignore[arg-type]
    )


def _division(connection: SqlConnection) -> tuple[Division, bool]:
    rows = connection.query("SELECT shards, partitions, is_open FROM _division", _DIVISION)
    shards, partitions, is_open = rows.row(0)
    return Division(shards, partitions), bool(is_open)


def _shard(connection: SqlConnection, shard: int, lock: str = "") -> ShardState | None:
    rows = connection.query(
        f"SELECT {_COLUMNS} FROM _shards WHERE shard = $1{lock}", _SHARD, one_row(shard)
    ).rows()
    return ShardState(*rows[0]) if rows else None


def _open_shard(connection: SqlConnection, shard: int) -> ShardState:
    division, is_open = _division(connection)
    state = _shard(connection, shard)
    if state is None or not is_open or shard >= division.shards:
        raise ShardsClosed(
            f"shard {shard} of this store can't be taken now",
            "wait until the processor that looks after the store has made it ready",
        )
    return state


def _next_token(connection: SqlConnection) -> int:
    """Larger than any that a shard had."""
    rows = connection.query(
        "SELECT COALESCE(MAX(token), $1) + 1 AS token FROM _shards",
        pl.Schema({"token": pl.Int64}),
        one_row(_FIRST_TOKEN),
    )
    return int(rows.item())


def _lease_of(state: ShardState) -> Lease:
    return Lease(state.token, state.holder, state.expires_at)
