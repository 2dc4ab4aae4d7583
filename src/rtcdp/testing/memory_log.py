"""A log in memory: the same contract as the real ones, without durability, for tests.

It can be told how many records a read gives, so that a test decides where batches are cut.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rtcdp.log.contract import (
    Appended,
    Delivery,
    LogExtent,
    OffsetsMissing,
    RawRecord,
    Records,
)
from rtcdp.log.limits import Retention


@dataclass
class _Partition:
    """What stands at each offset; None where there is no record."""

    number: int
    slots: list[RawRecord | None] = field(default_factory=list)
    odd_offsets: set[int] = field(default_factory=set)
    first_offset: int = 0


class MemoryLog:
    """Reader and writer in one, with as many partitions as asked for.

    `records_per_read` is asked before each read how many offsets it spans.
    """

    def __init__(
        self, records_per_read: Callable[[], int] = lambda: 1_000_000, partitions: int = 1
    ) -> None:
        self._partitions = [_Partition(number) for number in range(partitions)]
        self._records_per_read = records_per_read
        self.identity = "memory"
        self.acknowledged: dict[int, int] = {}

    def append(self, deliveries: Sequence[Delivery], partition: int = 0) -> Sequence[Appended]:
        """Append all deliveries to one partition."""
        return [self._append(self._partitions[partition], delivery) for delivery in deliveries]

    def leave_out(self, offsets: int, partition: int = 0) -> None:
        """Leave out so many offsets, as other logs do for the ends of transactions."""
        self._partitions[partition].slots += [None] * offsets

    def log_id(self) -> str:
        return self.identity

    def partitions(self) -> Sequence[int]:
        return range(len(self._partitions))

    def extent(self, partition: int) -> LogExtent:
        kept, records = self._partitions[partition], self.records(partition)
        return LogExtent(
            partition=partition,
            first_offset=kept.first_offset,
            next_offset=len(kept.slots),
            bytes=sum(len(record.raw) for record in records),
            newest_received_at=max((record.received_at for record in records), default=0),
        )

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        kept = self._partitions[partition]
        end = len(kept.slots)
        if not kept.first_offset <= offset <= end:
            raise OffsetsMissing(
                f"offset {offset} of partition {partition} is not in the log",
                f"it holds [{kept.first_offset}, {end})",
            )
        stop, wanted = offset, offset + max(1, self._records_per_read())
        total = count = 0
        while stop < end and (stop < wanted or count == 0):
            record = kept.slots[stop]
            total += 0 if record is None else len(record.raw)
            if total > max_bytes and count:
                break
            count += record is not None
            stop += 1
        return _columns(kept, offset, stop)

    def offset_at(self, partition: int, received_at: int) -> int:
        kept = self._partitions[partition]
        found = (r.offset for r in self.records(partition) if r.received_at >= received_at)
        return max(kept.first_offset, next(found, len(kept.slots)))

    def oldest_received_at(self, partition: int, offset: int) -> int | None:
        waiting = (r.received_at for r in self.records(partition) if r.offset >= offset)
        return min((time for time in waiting if time > 0), default=None)

    def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        del timeout_s
        return any(len(kept.slots) > next_offsets.get(kept.number, 0) for kept in self._partitions)

    def expire(self, committed: Mapping[int, int], retention: Retention, now_ms: int) -> int:
        before = sum(kept.first_offset for kept in self._partitions)
        for kept in self._partitions:
            while kept.first_offset < committed.get(kept.number, 0):
                record = kept.slots[kept.first_offset]
                if record is not None and now_ms - record.received_at <= retention.max_age_ms:
                    break
                kept.first_offset += 1
        return sum(kept.first_offset for kept in self._partitions) - before

    def copy(self) -> "MemoryLog":
        """A log of the same name that holds the same records, and goes its own way from now on."""
        other = MemoryLog(self._records_per_read)
        other.identity = self.identity
        other._partitions = [
            replace(kept, slots=list(kept.slots), odd_offsets=set(kept.odd_offsets))
            for kept in self._partitions
        ]
        return other

    def trim(self, first_offset: int, partition: int = 0) -> None:
        """Delete what comes before `first_offset`, whether it is counted or not."""
        self._partitions[partition].first_offset = first_offset

    def records(self, partition: int | None = None) -> list[RawRecord]:
        """Every record that was appended, in order, partition by partition."""
        chosen = self._partitions if partition is None else [self._partitions[partition]]
        return [record for kept in chosen for record in kept.slots if record is not None]

    def damage(self, offset: int, partition: int = 0) -> None:
        """Make a stored record unreadable, as a failing disk would."""
        kept = self._partitions[partition]
        record = kept.slots[offset]
        if record is not None:
            kept.odd_offsets.add(offset)
            kept.slots[offset] = replace(record, raw=b"\x00", is_corrupt=True)

    def acknowledge(self, next_offsets: Mapping[int, int]) -> None:
        """Kept in `acknowledged`, for whoever asks."""
        self.acknowledged.update(next_offsets)

    def close(self) -> None:
        """Nothing to release."""

    def _append(self, kept: _Partition, delivery: Delivery) -> Appended:
        first_offset = len(kept.slots)
        rejects = dict(delivery.rejects)
        lines = iter(delivery.lines.split(b"\n"))
        for index in range(delivery.record_count):
            if index in rejects or delivery.replay_of is not None:
                kept.odd_offsets.add(first_offset + index)
            kept.slots.append(
                RawRecord(
                    partition=kept.number,
                    offset=first_offset + index,
                    received_at=delivery.received_at,
                    source=delivery.source,
                    intake=delivery.intake,
                    raw=rejects[index] if index in rejects else next(lines),
                    replay_of=delivery.replay_of,
                )
            )
        return Appended(kept.number, first_offset, delivery.record_count)


def _columns(kept: _Partition, offset: int, stop: int) -> Records:
    chosen = [record for record in kept.slots[offset:stop] if record is not None]
    odd = [record for record in chosen if record.offset in kept.odd_offsets]
    clean = [record for record in chosen if record.offset not in kept.odd_offsets]
    sources = tuple(dict.fromkeys(record.source for record in clean))
    return Records(
        partition=kept.number,
        first_offset=offset,
        next_offset=stop,
        lines=b"".join(record.raw + b"\n" for record in clean),
        offsets=np.array([record.offset for record in clean], np.int64),
        received_at=np.array([record.received_at for record in clean], np.int64),
        source_codes=np.array([sources.index(record.source) for record in clean], np.int64),
        imported=np.array([record.intake == "import" for record in clean], np.bool_),
        sources=sources,
        odd=tuple(odd),
    )
