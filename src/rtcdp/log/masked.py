"""A log whose records at some places can't be read: for reading again what was left out before."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rtcdp.log.limits import Retention
from rtcdp.log.log import LogExtent, LogReader, RawRecord, Records


class MaskedLogReader:
    """Another reader's records; those at the `places`, each a partition and an offset, are given
    as corrupt ones, which are counted as dead letters and in nothing else."""

    def __init__(self, log: LogReader, places: Collection[tuple[int, int]]) -> None:
        self._log = log
        self._masked: dict[int, set[int]] = {}
        for partition, offset in places:
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
        return _masked(records, here) if here else records

    def offset_at(self, partition: int, received_at: int) -> int:
        return self._log.offset_at(partition, received_at)

    def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        return self._log.wait(next_offsets, timeout_s)

    def expire(self, committed: Mapping[int, int], retention: Retention, now_ms: int) -> int:
        return self._log.expire(committed, retention, now_ms)

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


def _masked(records: Records, offsets: set[int]) -> Records:
    hidden = [
        replace(record, is_corrupt=True) for record in records.each() if record.offset in offsets
    ]
    kept = without(records, offsets)
    return replace(kept, odd=tuple(sorted([*kept.odd, *hidden], key=_offset_of)))


def _offset_of(record: RawRecord) -> int:
    return record.offset
