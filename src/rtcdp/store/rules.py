"""What every store holds to, whatever it rests on: which epoch may follow, that its ledger
balances, that its definitions are those of the store, who may write, how long a span may grow,
and what an entry more makes of the history of admission rules. Pure functions."""

from collections.abc import Mapping, Sequence

import polars as pl

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import VERDICTS
from rtcdp.errors import RtcdpError
from rtcdp.store.contract import (
    EpochRefused,
    Lease,
    LeaseHeld,
    LeaseLost,
    Progress,
    RulesInForce,
    StateMismatch,
)
from rtcdp.store.epoch import Epoch, RowChanges, TableChange

SPAN_RECORDS_MAX = 20_000
SPAN_AGE_MS_MAX = 60_000
"""Spans of small epochs that follow each other are joined up to this many records and this long, so
that an idle system doesn't fill the store with them."""


class EpochUnbalanced(RtcdpError):
    """An epoch accounts for more or fewer records than it read. Nothing of it was applied."""


def check_balance(epoch: Epoch) -> None:
    """Raises `EpochUnbalanced` unless received = admitted + duplicate + late + dead_letter + erased
    in every row of the epoch's ledger, and all received together are what its spans read. Only an
    erasure may count less of anything than before, and receives nothing."""
    read = sum(span.next_offset - span.first_offset for span in epoch.spans) - epoch.gaps
    received = 0
    for row in epoch.ledger.iter_rows(named=True):
        accounted = sum(row[verdict] for verdict in VERDICTS)
        if row["received"] != accounted or (epoch.erasure is None and _is_odd(row)):
            raise EpochUnbalanced(
                f"the ledger of epoch {epoch.number} does not balance: {row}",
                "this is a defect of the engine; report it with this message",
            )
        received += accounted
    if received != read:
        raise EpochUnbalanced(
            f"epoch {epoch.number} read {read} records and accounts for {received}",
            "this is a defect of the engine; report it with this message",
        )


def _is_odd(row: Mapping[str, int]) -> bool:
    lowest = min(row["conflict"], *(row[verdict] for verdict in VERDICTS))
    return lowest < 0 or row["conflict"] > row["duplicate"]


def check_follows(progress: Progress, epoch: Epoch, shard: int = 0) -> None:
    """Raises `EpochRefused` unless the epoch is of the `shard` whose progress this is, has the next
    number, is of the log that was counted, and starts in every partition where the store has
    counted up to."""
    if epoch.shard != shard:
        raise EpochRefused(
            f"epoch {epoch.number} is of shard {epoch.shard}, and here only shard {shard} is"
            " written",
            "divide the store first: set processor.shards where it can be divided",
        )
    if epoch.number != progress.epoch + 1:
        raise EpochRefused(
            f"epoch {epoch.number} does not follow the store's epoch {progress.epoch}",
            "another engine has committed; read the store's progress and start again from there",
        )
    if progress.log_id and epoch.log_id and progress.log_id != epoch.log_id:
        raise EpochRefused(
            f"the store has counted the log {progress.log_id}, and this epoch is of {epoch.log_id}",
            "give a new log a store of its own",
        )
    reached = dict(progress.next_offsets)
    for span in epoch.spans:
        if reached.get(span.partition, span.first_offset) != span.first_offset:
            raise EpochRefused(
                f"epoch {epoch.number} starts at offset {span.first_offset} of partition"
                f" {span.partition}, but the store has counted up to {reached[span.partition]}",
                "if the log was replaced by another one, give it a store of its own",
            )
        reached[span.partition] = span.next_offset


def check_prepared(
    active: Mapping[str, str],
    prepared: Mapping[str, str] | None,
    changes: Sequence[TableChange | RowChanges],
) -> None:
    """`active` are the fingerprints by definition that the store keeps up to date, `prepared` those
    that the writer works with, None where it has prepared nothing.

    Raises `EpochRefused` when another process has prepared the store with other definitions, and
    `StateMismatch` when a change is for a metric or row table that was not prepared."""
    if prepared is not None and active != prepared:
        raise EpochRefused(
            "another process has given this store other definitions of metrics",
            "let only one engine work on a store, and restart this one to take it over",
        )
    for change in changes:
        if change.definition not in active:
            raise StateMismatch(
                f"metric {change.definition} was not prepared in this store",
                "prepare the store with all metrics before anything is committed",
            )


def refuse_held(held: Lease, now_ms: int) -> None:
    """Raises `LeaseHeld` if the lease lasts at `now_ms`."""
    if held.expires_at > now_ms:
        left_s = (held.expires_at - now_ms) / 1000
        raise LeaseHeld(
            f"another processor works on this store: {held.holder}",
            f"stop it first; if it is dead, its lease ends in {left_s:.0f} s",
            held,
        )


def check_holds(held: Lease | None, lease: Lease | None) -> None:
    """Raises `LeaseLost` unless the writer's `lease` is the one that the store has; a writer that
    needs none passes None."""
    if lease is None or (held is not None and held.token == lease.token):
        return
    by = "" if held is None else f" by {held.holder}"
    raise LeaseLost(
        f"the right to write to this store was taken over{by}",
        "let only one processor work on a store",
    )


def fitted(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Rows with exactly the columns and types of `schema`; as they are when they have them."""
    if rows.schema == schema:
        return rows
    return rows.select(schema.names()).cast(schema)


History = tuple[RulesInForce, ...]


def rules_after(
    history: Sequence[RulesInForce], progress: Progress, rules: AdmissionRules
) -> History:
    """The history with `rules` in force from the next epoch on. An entry that has decided nothing
    makes room, and the same rules are no new entry."""
    decided = tuple(entry for entry in history if entry.from_epoch <= progress.epoch)
    if decided and decided[-1].rules == rules:
        return decided
    return (*decided, RulesInForce(progress.epoch + 1, dict(progress.next_offsets), rules))


def rules_replaced(history: History, progress: Progress) -> AdmissionRules | None:
    """The rules that decided until now, where others come into force with the next epoch."""
    if len(history) < 2 or history[-1].from_epoch <= progress.epoch:
        return None
    return history[-2].rules
