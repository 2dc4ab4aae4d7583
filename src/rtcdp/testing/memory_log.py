"""A log in memory: the same contract as the real ones, without durability, for tests.

It can be told how many records a read gives, so that a test decides where batches are cut.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rtcdp.log.limits import Retention
from rtcdp.log.log import (
    Appended,
    Delivery,
    LogExtent,
    OffsetsMissing,
    RawRecord,
    Records,
)


class MemoryLog:
    """Reader and writer in one, with a single partition.

    `records_per_read` is asked before each read how many records to give.
    """

    def __init__(self, records_per_read: Callable[[], int] = lambda: 1_000_000) -> None:
        self._records: list[RawRecord] = []
        self._is_odd: list[bool] = []
        self._first_offset = 0
        self._records_per_read = records_per_read

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        return [self._append(delivery) for delivery in deliveries]

    def partitions(self) -> Sequence[int]:
        return (0,)

    def extent(self, partition: int) -> LogExtent:
        return LogExtent(
            partition=partition,
            first_offset=self._first_offset,
            next_offset=len(self._records),
            bytes=sum(len(record.raw) for record in self._records),
            newest_received_at=max((r.received_at for r in self._records), default=0),
        )

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        if not self._first_offset <= offset <= len(self._records):
            raise OffsetsMissing(f"offset {offset} of partition {partition} is not in the log")
        stop = min(len(self._records), offset + max(1, self._records_per_read()))
        total = 0
        for position in range(offset, stop):
            total += len(self._records[position].raw)
            if total > max_bytes and position > offset:
                stop = position
                break
        return self._columns(partition, offset, stop)

    def offset_at(self, partition: int, received_at: int) -> int:
        del partition
        found = (r.offset for r in self._records if r.received_at >= received_at)
        return max(self._first_offset, next(found, len(self._records)))

    def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        del timeout_s
        return len(self._records) > next_offsets.get(0, 0)

    def expire(self, committed: Mapping[int, int], retention: Retention, now_ms: int) -> int:
        before = self._first_offset
        while (
            self._first_offset < committed.get(0, 0)
            and now_ms - self._records[self._first_offset].received_at > retention.max_age_ms
        ):
            self._first_offset += 1
        return self._first_offset - before

    def records(self) -> list[RawRecord]:
        """Every record that was appended, in order."""
        return list(self._records)

    def damage(self, offset: int) -> None:
        """Make a stored record unreadable, as a failing disk would."""
        self._is_odd[offset] = True
        self._records[offset] = replace(self._records[offset], raw=b"\x00", is_corrupt=True)

    def close(self) -> None:
        """Nothing to release."""

    def _append(self, delivery: Delivery) -> Appended:
        first_offset = len(self._records)
        rejects = dict(delivery.rejects)
        lines = iter(delivery.lines.split(b"\n"))
        for index in range(delivery.record_count):
            is_odd = index in rejects or delivery.replay_of is not None
            self._is_odd.append(is_odd)
            self._records.append(
                RawRecord(
                    partition=0,
                    offset=first_offset + index,
                    received_at=delivery.received_at,
                    source=delivery.source,
                    intake=delivery.intake,
                    raw=rejects[index] if index in rejects else next(lines),
                    replay_of=delivery.replay_of,
                )
            )
        return Appended(0, first_offset, delivery.record_count)

    def _columns(self, partition: int, offset: int, stop: int) -> Records:
        chosen = self._records[offset:stop]
        odd = [record for record in chosen if self._is_odd[record.offset]]
        clean = [record for record in chosen if not self._is_odd[record.offset]]
        sources = tuple(dict.fromkeys(record.source for record in clean))
        return Records(
            partition=partition,
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
