"""A log as somebody else sees it: up to an end, some partitions, or without what can't be read."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rtcdp.log.contract import LogExtent, LogReader, RawRecord, Records, erased_mark
from rtcdp.log.limits import Retention


class BoundedLogReader:
    """Another reader's records before `ends`, by partition; a partition without an end is not
    there. It deletes nothing, acknowledges nothing, and leaves the other one open."""

    def __init__(self, log: LogReader, ends: Mapping[int, int]) -> None:
        self._log = log
        self._ends = dict(ends)

    def log_id(self) -> str:
        return self._log.log_id()

    def partitions(self) -> Sequence[int]:
        return sorted(self._ends)

    def extent(self, partition: int) -> LogExtent:
        extent = self._log.extent(partition)
        return replace(extent, next_offset=min(extent.next_offset, self._ends[partition]))

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        return self._log.read(partition, offset, max_bytes).until(
            max(offset, self._ends[partition])
        )

    def offset_at(self, partition: int, received_at: int) -> int:
        return min(self._log.offset_at(partition, received_at), self._ends[partition])

    def oldest_received_at(self, partition: int, offset: int) -> int | None:
        """That of all records behind `offset`, whether they are shown here or not."""
        return self._log.oldest_received_at(partition, offset)

    def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        """Nothing comes any more: whether there is something now."""
        del timeout_s
        return any(
            offset < self.extent(partition).next_offset
            for partition, offset in next_offsets.items()
        )

    def expire(self, committed: Mapping[int, int], retention: Retention, now_ms: int) -> int:
        del committed, retention, now_ms
        return 0

    def acknowledge(self, next_offsets: Mapping[int, int]) -> None:
        """Who only looks doesn't tell how far."""

    def close(self) -> None:
        """The reader behind it belongs to somebody else."""


class MaskedLogReader:
    """Another reader's records; those at the `places`, each a partition and an offset, are given
    as corrupt ones, which are counted as dead letters and in nothing else, and those at the
    `erased` places as erased ones."""

    def __init__(
        self,
        log: LogReader,
        places: Collection[tuple[int, int]],
        erased: Collection[tuple[int, int]] = (),
    ) -> None:
        self._log = log
        self._masked: dict[int, set[int]] = {}
        self._erased = frozenset(erased)
        for partition, offset in (*places, *self._erased):
            self._masked.setdefault(partition, set()).add(offset)

    def log_id(self) -> str:
        return self._log.log_id()

    def partitions(self) -> Sequence[int]:
        return self._log.partitions()

    def extent(self, partition: int) -> LogExtent:
        return self._log.extent(partition)

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        records = self._log.read(partition, offset, max_bytes)
        masked = self._masked.get(partition, set())
        here = {at for at in masked if records.first_offset <= at < records.next_offset}
        return self._without(records, here) if here else records

    def offset_at(self, partition: int, received_at: int) -> int:
        return self._log.offset_at(partition, received_at)

    def oldest_received_at(self, partition: int, offset: int) -> int | None:
        return self._log.oldest_received_at(partition, offset)

    def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        return self._log.wait(next_offsets, timeout_s)

    def expire(self, committed: Mapping[int, int], retention: Retention, now_ms: int) -> int:
        return self._log.expire(committed, retention, now_ms)

    def acknowledge(self, next_offsets: Mapping[int, int]) -> None:
        self._log.acknowledge(next_offsets)

    def close(self) -> None:
        """The reader behind it belongs to somebody else."""

    def _without(self, records: Records, offsets: set[int]) -> Records:
        hidden = [self._hidden(record) for record in records.each() if record.offset in offsets]
        kept = without(records, offsets)
        return replace(kept, odd=tuple(sorted([*kept.odd, *hidden], key=_offset_of)))

    def _hidden(self, record: RawRecord) -> RawRecord:
        if record.is_erased:
            return record
        if (record.partition, record.offset) in self._erased:
            return replace(record, raw=b"", replay_of=erased_mark(record.stands_for))
        return replace(record, is_corrupt=True)


class PartLogReader:
    """Another reader's records of some partitions; the others are not there. `look` is called
    whenever it is asked for partitions, with those of the whole log. It deletes nothing, and leaves
    the other one open."""

    def __init__(
        self,
        log: LogReader,
        partitions: Collection[int],
        look: Callable[[Sequence[int]], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._own = frozenset(partitions)
        self._look = look

    def log_id(self) -> str:
        return self._log.log_id()

    def partitions(self) -> Sequence[int]:
        whole = self._log.partitions()
        self._look(whole)
        return [partition for partition in whole if partition in self._own]

    def extent(self, partition: int) -> LogExtent:
        return self._log.extent(partition)

    def read(self, partition: int, offset: int, max_bytes: int) -> Records:
        return self._log.read(partition, offset, max_bytes)

    def offset_at(self, partition: int, received_at: int) -> int:
        return self._log.offset_at(partition, received_at)

    def oldest_received_at(self, partition: int, offset: int) -> int | None:
        return self._log.oldest_received_at(partition, offset)

    def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        own = {partition: at for partition, at in next_offsets.items() if partition in self._own}
        return self._log.wait(own, timeout_s)

    def expire(self, committed: Mapping[int, int], retention: Retention, now_ms: int) -> int:
        del committed, retention, now_ms
        return 0

    def acknowledge(self, next_offsets: Mapping[int, int]) -> None:
        self._log.acknowledge(next_offsets)

    def close(self) -> None:
        """The reader behind it belongs to somebody else."""


def without(records: Records, offsets: Collection[int]) -> Records:
    """The records but those at these offsets, which count as gaps then."""
    is_kept = ~np.isin(records.offsets, list(offsets))
    lines = records.lines.split(b"\n")
    return replace(
        records,
        lines=b"".join(lines[row] + b"\n" for row in np.flatnonzero(is_kept).tolist()),
        offsets=records.offsets[is_kept],
        received_at=records.received_at[is_kept],
        source_codes=records.source_codes[is_kept],
        imported=records.imported[is_kept],
        odd=tuple(record for record in records.odd if record.offset not in offsets),
    )


def _offset_of(record: RawRecord) -> int:
    return record.offset
