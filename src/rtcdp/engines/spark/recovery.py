"""Where Spark goes on: from a checkpoint that fits the store's progress, or with a new one, from
the log's tail.

The index of ids is all that a checkpoint is needed for, so one that stands a little before the
store is as good as one that stands where the store does: the records in between fill the index, and
are not counted again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from rtcdp.engines.continuation import earliest_to_come
from rtcdp.engines.spark.checkpoint import Checkpoints
from rtcdp.events.seen_ids import CLOCK_SLACK_MS
from rtcdp.log.log import LogReader

_STATE_VERSION = 1
"""Changes whenever the index of ids is kept in another way."""


@dataclass(frozen=True)
class Position:
    """Where an engine has to go on: the next offset of every partition, and from which one on the
    ids must be in the index so that every duplicate is found."""

    next_offsets: Mapping[int, int]
    remembered_from: Mapping[int, int]


@dataclass(frozen=True)
class Continuation:
    """The checkpoint to go on with, and where a new one starts; `starts` is None for one that is
    there already."""

    checkpoint: str
    starts: Mapping[int, int] | None


def position_in(log: LogReader, next_offsets: Mapping[int, int], dedup_window_ms: int) -> Position:
    """Where to go on in `log` after what was counted up to `next_offsets`. A partition that was
    never counted begins where it begins now."""
    known = {
        partition: next_offsets.get(partition, log.extent(partition).first_offset)
        for partition in log.partitions()
    }
    oldest = earliest_to_come(log, known) - dedup_window_ms - CLOCK_SLACK_MS
    return Position(
        next_offsets=known,
        remembered_from={
            partition: min(
                next_offset,
                max(log.extent(partition).first_offset, log.offset_at(partition, oldest)),
            )
            for partition, next_offset in known.items()
        },
    )


def state_fingerprint(log_id: str, topic: str, delay_ms: int) -> str:
    """Names what an index of ids depends on; one of another fingerprint is never gone on with."""
    meaning = f"{_STATE_VERSION}|{log_id}|{topic}|{delay_ms}"
    return hashlib.sha256(meaning.encode()).hexdigest()[:16]


def continuation_of(checkpoints: Checkpoints, position: Position, fingerprint: str) -> Continuation:
    """The newest checkpoint if it can be gone on with, else a new one. Old ones are deleted."""
    names = [name for name in checkpoints.names() if _number_of(name) is not None]
    newest = max(names, key=lambda name: _number_of(name) or 0, default=None)
    for name in names:
        if name != newest:
            checkpoints.delete(name)
    if newest is None:
        return Continuation(_name(1, fingerprint), position.remembered_from)
    number = _number_of(newest) or 0
    if newest == _name(number, fingerprint) and _fits(checkpoints, newest, position):
        return Continuation(newest, None)
    return Continuation(_name(number + 1, fingerprint), position.remembered_from)


def _fits(checkpoints: Checkpoints, name: str, position: Position) -> bool:
    """A checkpoint fits if it has not gone on further than the store, and not stopped so early that
    reading on from there would be more work than starting anew."""
    done = checkpoints.last_done(name)
    if done is None:
        return False
    reached = checkpoints.planned(name, done).next_offsets
    return all(
        position.remembered_from[partition] <= offset <= position.next_offsets[partition]
        if partition in position.next_offsets
        else False
        for partition, offset in reached.items()
    )


def _name(number: int, fingerprint: str) -> str:
    return f"{number:06d}-{fingerprint}"


def _number_of(name: str) -> int | None:
    number, dash, _ = name.partition("-")
    return int(number) if dash and number.isdigit() else None
