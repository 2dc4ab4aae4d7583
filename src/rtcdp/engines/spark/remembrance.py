"""From which offset on the ids of each partition are remembered, on the driver.

What tells it is the log's own time (`rtcdp.admission.log_time`), as with the native engine:
executors hand over the intake times of a slice, packed, and the driver goes through them.
"""

from collections.abc import Iterable, Mapping

from rtcdp.admission.event_id_index import CLOCK_SLACK_MS
from rtcdp.admission.log_time import LogTime
from rtcdp.engines.spark.exchange import (
    SliceAccount,
    unpack_times,
)


class Remembrance:
    """Starts at `remembered_from`, and moves on when enough time has gone by in the slices that it
    was shown; after a restart, ids are kept for longer."""

    def __init__(self, remembered_from: Mapping[int, int], window_ms: int) -> None:
        self._started_at = dict(remembered_from)
        self._kept_ms = window_ms + CLOCK_SLACK_MS
        self._first_shown: dict[int, int] = {}
        self._times: dict[int, LogTime] = {}

    @property
    def remembered_from(self) -> dict[int, int]:
        """The offset for each partition."""
        found = dict(self._started_at)
        for partition, time in self._times.items():
            reached = time.remembered_from
            if reached is not None and reached > self._first_shown[partition]:
                found[partition] = max(found[partition], reached)
        return found

    def after(self, accounts: Iterable[SliceAccount]) -> "Remembrance":
        """What it is when these slices have come, of each partition in log order."""
        following = Remembrance(self._started_at, 0)
        following._kept_ms = self._kept_ms
        following._first_shown = dict(self._first_shown)
        following._times = {partition: time.mark() for partition, time in self._times.items()}
        for account in accounts:
            following._show(account)
        return following

    def _show(self, account: SliceAccount) -> None:
        partition = account.partition
        self._started_at.setdefault(partition, account.first_offset)
        offsets, received_at = unpack_times(account.times)
        if len(offsets) == 0:
            return
        self._first_shown.setdefault(partition, int(offsets[0]))
        time = self._times.setdefault(partition, LogTime(self._kept_ms))
        time.observe(offsets, received_at)
