"""Where Spark goes on: from a checkpoint that fits the store's progress, or with a new one, from
the log's tail.

The index of ids is all that a checkpoint is needed for. A new one begins with an index that was
filled from the log, whole before anything is counted. One that stands before the store is gone on
with if the next batch, which Spark has planned already, ends where the store stands or later: its
first records fill the index and are not counted again. With more batches in between, one partition
would be counted while the ids of another are still missing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from rtcdp.engines.decided import readable_from
from rtcdp.engines.spark.checkpoint import Checkpoints
from rtcdp.engines.spark.exchange import BUCKETS, Int64Array
from rtcdp.log.contract import LogReader
from rtcdp.store import Progress, Store

_STATE_VERSION = 3
"""Changes whenever the index of ids is kept in another way."""


@dataclass(frozen=True)
class Position:
    """Where an engine has to go on: the next offset of every partition, and from which one on the
    ids must be in the index so that every duplicate is found."""

    next_offsets: Mapping[int, int]
    remembered_from: Mapping[int, int]


@dataclass(frozen=True)
class Continuation:
    """The checkpoint to go on with, and from which offsets on the index has to be filled. One that
    `is_new` is told where to start, which is where the store stands, and is filled before; another
    knows, and fills it from what it reads."""

    checkpoint: str
    filled_from: Mapping[int, int]
    is_new: bool


def position_in(log: LogReader, progress: Progress) -> Position:
    """Where to go on in `log` after what was counted. A partition that was never counted begins
    where it begins now; where no engine has said which ids are remembered, all that can be are."""
    known = {
        partition: progress.next_offsets.get(partition, log.extent(partition).first_offset)
        for partition in log.partitions()
    }
    return Position(
        next_offsets=known,
        remembered_from={
            partition: min(
                next_offset,
                max(
                    readable_from(log, progress, partition),
                    progress.remembered_from.get(partition, 0),
                ),
            )
            for partition, next_offset in known.items()
        },
    )


def passed_over(
    store: Store, starts: Mapping[int, int], ends: Mapping[int, int]
) -> dict[int, Int64Array]:
    """By partition, the offsets of the records `[start, end)` that were decided without their ids:
    the recorded late ones and dead letters, sorted."""
    with store.snapshot() as snapshot:
        recorded = {
            partition: snapshot.verdicts(partition, start, ends[partition])
            for partition, start in starts.items()
            if start < ends.get(partition, start)
        }
    return {
        partition: rows.filter(pl.col("verdict") != "duplicate")["offset"].to_numpy()
        for partition, rows in recorded.items()
    }


def state_fingerprint(log_id: str, topic: str, window_ms: int) -> str:
    """Names what an index of ids depends on, among it the dedup window, by whose length it is laid
    out; one of another fingerprint is never gone on with."""
    meaning = f"{_STATE_VERSION}|{log_id}|{topic}|{BUCKETS}|{window_ms}"
    return hashlib.sha256(meaning.encode()).hexdigest()[:16]


def continuation_of(checkpoints: Checkpoints, position: Position, fingerprint: str) -> Continuation:
    """The newest checkpoint if it can be gone on with, else a new one. Old ones are deleted."""
    names = [name for name in checkpoints.names() if _number_of(name) is not None]
    newest = max(names, key=lambda name: _number_of(name) or 0, default=None)
    for name in names:
        if name != newest:
            checkpoints.delete(name)
    if newest is None:
        return Continuation(_name(1, fingerprint), position.remembered_from, is_new=True)
    number = _number_of(newest) or 0
    if newest == _name(number, fingerprint):
        done, planned = checkpoints.last_done(newest), checkpoints.last_planned(newest)
        if done is not None and planned is not None:
            reached = checkpoints.planned(newest, done).next_offsets
            if _fits(reached, checkpoints.planned(newest, planned).next_offsets, position):
                return Continuation(newest, reached, is_new=False)
    return Continuation(_name(number + 1, fingerprint), position.remembered_from, is_new=True)


def _fits(reached: Mapping[int, int], planned: Mapping[int, int], position: Position) -> bool:
    """A checkpoint fits if it has not gone on further than the store, and the batch that comes next
    ends no earlier, having begun where all is remembered."""
    return all(
        position.remembered_from[partition] <= offset <= position.next_offsets[partition]
        if partition in position.next_offsets
        else False
        for partition, offset in reached.items()
    ) and all(
        next_offset <= planned.get(partition, 0)
        for partition, next_offset in position.next_offsets.items()
        if next_offset > position.remembered_from[partition]
    )


def _name(number: int, fingerprint: str) -> str:
    return f"{number:06d}-{fingerprint}"


def _number_of(name: str) -> int | None:
    number, dash, _ = name.partition("-")
    return int(number) if dash and number.isdigit() else None
