"""Merges the partitions of a log by intake time: what was taken in earlier comes first.

Event ids are compared over all partitions, and are forgotten when they are old. So none may be read
hours ahead of another, however full each of them is. Where there is more than one round can take,
rounds are cut at one intake time for all; at the end of the log there is nothing to cut.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from rtcdp.admission.order import due_times
from rtcdp.log.contract import Int64Array, LogReader, Records

_SHARE_MIN_BYTES = 2**16
"""The least that is asked of one partition at a time, however many there are."""

_Due = tuple[int, int]
"""A due time and a partition: records are due in this order."""


class _Slice:
    """Records that were read, from which what is due is taken away piece by piece."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._line_ends: Int64Array | None = None
        self._taken = 0
        self._offsets, self._due = _due_of(records)
        self.first_offset = records.first_offset
        self.next_offset = records.next_offset

    @property
    def last(self) -> _Due:
        """When its last record is due. Where no time is known, before everything else."""
        return int(self._due[-1]) if len(self._due) else 0, self._records.partition

    def rest(self) -> Records:
        """All that was not taken away."""
        return self._between(self.first_offset, self.next_offset)

    def take_until(self, limit: _Due) -> Records | None:
        """Take away what is due; some is not. None when nothing is."""
        due, partition = limit
        # Records of one moment are in order of their partitions: those of the limit itself and
        # below are due, those above it come after.
        side: Literal["left", "right"] = "right" if self._records.partition <= partition else "left"
        count = int(self._due.searchsorted(due, side))
        if count <= self._taken:
            return None
        self._taken = count
        first, self.first_offset = self.first_offset, int(self._offsets[count])
        return self._between(first, self.first_offset)

    def _between(self, first_offset: int, next_offset: int) -> Records:
        """The records of a part, at the cost of the part: a slice may be cut many times."""
        records = self._records
        if len(records) == next_offset - first_offset:
            return records
        # Looked for once, and only in a slice that is cut: most are taken as they are.
        if self._line_ends is None:
            ends = np.flatnonzero(np.frombuffer(records.lines, np.uint8) == ord("\n")) + 1
            self._line_ends = np.append(0, ends)
        start, stop = map(int, records.offsets.searchsorted([first_offset, next_offset]))
        rows = slice(start, stop)
        return replace(
            records,
            first_offset=first_offset,
            next_offset=next_offset,
            lines=records.lines[self._line_ends[start] : self._line_ends[stop]],
            offsets=records.offsets[rows],
            received_at=records.received_at[rows],
            source_codes=records.source_codes[rows],
            imported=records.imported[rows],
            odd=tuple(odd for odd in records.odd if first_offset <= odd.offset < next_offset),
        )


class MergedReader:
    """Gives the records of all partitions in rounds of about `max_bytes`, by their intake time.

    Within a partition the log's order holds. Records of different partitions are in order of their
    intake time from round to round; within a round, `due_times` tells it. What was read and is not
    due yet stays here until it is. One thread at a time.
    """

    def __init__(self, log: LogReader, max_bytes: int) -> None:
        self._log = log
        self._max_bytes = max_bytes
        self._waiting: dict[int, _Slice] = {}

    def read(self, next_offsets: Mapping[int, int]) -> tuple[Records, ...]:
        """The next records from these offsets on; empty when there are none in any partition.

        Pieces of one partition follow each other. Raises what the log raises; nothing is lost then.
        """
        # A batch that was taken back is asked for again: what waits begins after it, and would
        # leave a gap.
        self._waiting = {
            partition: waiting
            for partition, waiting in self._waiting.items()
            if next_offsets.get(partition) == waiting.first_offset
        }
        share = self._share(len(next_offsets))
        for partition, offset in next_offsets.items():
            if partition not in self._waiting:
                self._read(partition, offset, share)
        pieces: list[Records] = []
        left = self._max_bytes
        ends: dict[int, int] = {}
        while self._waiting:
            share = self._share(len(self._waiting))
            limit = self._limit(ends)
            # As a list: what is read next goes into what this goes through.
            taken = list(self._take(limit))
            pieces += taken
            left -= sum(map(_bytes_of, taken))
            # Less than half a share is not worth another read of every partition.
            if limit is None or left <= share // 2:
                break
            for records in taken:
                # Its end was the limit; with more of it, the limit moves on. All others have
                # records left.
                if records.partition == limit[1]:
                    self._read(records.partition, records.next_offset, share)
        return tuple(pieces)

    def _share(self, partitions: int) -> int:
        share = max(self._max_bytes // max(1, partitions), _SHARE_MIN_BYTES)
        return min(share, self._max_bytes)

    def _read(self, partition: int, offset: int, max_bytes: int) -> None:
        records = self._log.read(partition, offset, max_bytes)
        if len(records):
            self._waiting[partition] = _Slice(records)

    def _limit(self, ends: dict[int, int]) -> _Due | None:
        """Up to when every record is here; None when all of all partitions are. `ends` is where
        partitions were seen to end, and is kept up."""
        # Nobody to be merged with: a partition alone keeps the order of its log.
        if len(self._waiting) == 1:
            return None
        # What lies beyond the end of a slice may be due right after it. A partition that was read
        # to its end holds nobody up: what comes later is taken in later.
        return min(
            (
                waiting.last
                for partition, waiting in self._waiting.items()
                if self._goes_on(partition, waiting.next_offset, ends)
            ),
            default=None,
        )

    def _goes_on(self, partition: int, offset: int, ends: dict[int, int]) -> bool:
        # Ends only move on. Whoever stands before one needs no newer one, for which a broker with
        # many partitions would have to be asked about each of them, time and again.
        if offset >= ends.get(partition, 0):
            ends[partition] = self._log.extent(partition).next_offset
        return offset < ends[partition]

    def _take(self, limit: _Due | None) -> Iterator[Records]:
        """What is due, removed from what waits."""
        for partition, waiting in sorted(self._waiting.items()):
            if limit is None or waiting.last <= limit:
                del self._waiting[partition]
                yield waiting.rest()
            elif (piece := waiting.take_until(limit)) is not None:
                yield piece


def _due_of(records: Records) -> tuple[Int64Array, Int64Array]:
    """Offsets and due times (UTC ms) of the records whose intake time is known, in log order."""
    offsets, received_at = records.offsets, records.received_at
    if records.odd:
        offsets = np.append(offsets, [record.offset for record in records.odd])
        received_at = np.append(received_at, [record.received_at for record in records.odd])
        order = np.argsort(offsets)
        offsets, received_at = offsets[order], received_at[order]
    is_known = received_at > 0
    if not is_known.all():
        offsets, received_at = offsets[is_known], received_at[is_known]
    return offsets, due_times(received_at)


def _bytes_of(records: Records) -> int:
    return len(records.lines) + sum(len(record.raw) for record in records.odd)
