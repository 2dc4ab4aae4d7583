"""A log that ends where it is told to, whatever is appended meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rtcdp.log.limits import Retention
from rtcdp.log.log import LogExtent, LogReader, Records


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
