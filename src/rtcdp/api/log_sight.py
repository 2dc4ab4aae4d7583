"""What an answer may say of the log: how far it reaches, and whether it is the store's own.

A log that is away takes a while to say so. Whoever asks meanwhile is told the same at once.
"""

import time

from rtcdp.engines.resume import check_reach, check_same_log
from rtcdp.log.contract import LogExtent, LogFailed, LogReader, LogUnavailable, OffsetsMissing
from rtcdp.store import Progress

SLOW_S = 0.2
REMEMBERED_S = 3.0
"""How long a failure that took `SLOW_S` to come is told again without asking."""

COMPARED_EVERY_S = 5.0
"""How often the last counted record is looked up: that reads a whole chunk of the log."""

Extents = tuple[LogExtent, ...]


class LogSight:
    """Looks at a log for the answers of one server. Safe to use from several threads: the worst
    is that two of them look at once."""

    def __init__(self) -> None:
        self._trouble = ""
        self._troubled_at = float("-inf")
        self._stranger: str | None = None
        self._compared_at = float("-inf")

    def extents(self, log: LogReader) -> Extents | str:
        """What the log holds now, or why that can't be told."""
        began = time.monotonic()
        if began - self._troubled_at < REMEMBERED_S:
            return self._trouble
        try:
            return tuple(log.extent(partition) for partition in log.partitions())
        except (LogUnavailable, LogFailed, OffsetsMissing) as error:
            return self._told(error, began)

    def oldest_waiting(
        self, log: LogReader, extents: Extents, progress: Progress
    ) -> int | str | None:
        """The smallest intake time (UTC ms) among the records that `progress` has not counted; None
        when none waits. A sentence when the log is not the one that was counted, or can't be
        asked."""
        began = time.monotonic()
        try:
            self._refuse_stranger(log, progress)
            oldest = [
                log.oldest_received_at(extent.partition, resume)
                for extent in extents
                for resume in [
                    max(progress.next_offsets.get(extent.partition, 0), extent.first_offset)
                ]
                if resume < extent.next_offset
            ]
        except (LogUnavailable, LogFailed, OffsetsMissing) as error:
            return self._told(error, began)
        return min((time for time in oldest if time is not None), default=None)

    def _refuse_stranger(self, log: LogReader, progress: Progress) -> None:
        """Raises `OffsetsMissing` when the log is not the one that was counted."""
        check_reach(log, progress)
        now = time.monotonic()
        if now - self._compared_at >= COMPARED_EVERY_S:
            self._stranger = None
            try:
                check_same_log(log, progress)
            except OffsetsMissing as error:
                self._stranger = str(error)
            self._compared_at = now
        if self._stranger is not None:
            raise OffsetsMissing(self._stranger)

    def _told(self, error: Exception, began: float) -> str:
        now = time.monotonic()
        if now - began >= SLOW_S:
            self._trouble, self._troubled_at = str(error), now
        return str(error)
