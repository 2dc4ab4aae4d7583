"""Which event ids came lately: enough to tell a client about its duplicates, in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from rtcdp.events.event import Instant
from rtcdp.intake.limits import CollectorLimits
from rtcdp.log.contract import Intake, Records

_NONE: frozenset[int] = frozenset()
_FEW = 4
"""So many times are looked at one by one as soon as their ends are found."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass
class _Generation:
    """Hashes by source, taken in between `began_at` and `ended_at` (UTC ms)."""

    began_at: int = 0
    ended_at: int = 0
    count: int = 0
    by_source: dict[str, set[int]] = field(default_factory=dict)

    def is_within(self, window_ms: int, received_at: int) -> bool:
        """Whether all that it holds was taken in no further from this time than the window."""
        return max(received_at - self.began_at, self.ended_at - received_at) <= window_ms


class _OnlyId(msgspec.Struct, rename="camel"):
    timestamp: Instant | int
    event_id: str | None = None


_decode_ids = msgspec.json.Decoder(_OnlyId).decode_lines


def that_reach(
    id_hashes: Sequence[int],
    times: Sequence[datetime | int],
    received_at: int,
    intake: Intake,
    limits: CollectorLimits,
) -> list[int]:
    """Those ids whose events, of these times (UTC ms, or an instant), admission compares with
    others: they are neither late nor ahead of the clock when taken in at `received_at`."""
    last_ms = received_at + limits.max_clock_skew_ms
    first_ms = received_at - limits.allowed_lateness_ms if intake == "live" else None
    first = _FIRST if first_ms is None else _instant(first_ms)
    after_last = _instant(last_ms + 1)

    def reaches(time: datetime | int) -> bool:
        if isinstance(time, int):
            return (first_ms is None or first_ms <= time) and time <= last_ms
        return first <= time < after_last

    if len(times) > _FEW and all(map(reaches, _ends_of(times))):
        return list(id_hashes)
    return [id_hash for id_hash, time in zip(id_hashes, times, strict=True) if reaches(time)]


def _ends_of(times: Sequence[datetime | int]) -> Sequence[datetime | int]:
    """The first and the last of them, or all of them where some are integers and some are not."""
    try:
        return min(times), max(times)
    except TypeError:
        return times


def _instant(milliseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return _FIRST if milliseconds < 0 else _LAST


class RecentIds:
    """Hashes of the ids that were recorded within the limits' `dedup_window_ms`, about
    `max_recent_ids` of them at most.

    There are two generations: the younger one takes ids in; when it is half a window old or holds
    half of what is allowed it becomes the older one, whose ids are forgotten. So an id is
    remembered for half a window at least (less when the memory is full, or the clock is set) and
    never for longer than a window: what this calls a duplicate, admission will call a duplicate;
    not the other way round.
    """

    def __init__(self, limits: CollectorLimits) -> None:
        self._limits = limits
        self._half_ids = max(1, limits.max_recent_ids // 2)
        self._window_ms = limits.dedup_window_ms
        self._young = _Generation()
        self._old = _Generation()

    def __len__(self) -> int:
        return self._young.count + self._old.count

    def remember(self, source: str, id_hashes: list[int], received_at: int) -> int:
        """Take in the ids of one delivery of `source`; return how many of them came before.

        Ids repeated within the delivery count as well. `received_at` is in UTC ms. They are those
        `that_reach` the comparison with others.
        """
        if not id_hashes:
            return 0
        self._rotate(received_at)
        fresh = set(id_hashes)
        young = self._young.by_source.setdefault(source, set())
        fresh -= young
        # An id keeps the time of its first record: seen again, it does not move up.
        fresh -= self._old.by_source.get(source, _NONE)
        young |= fresh
        self._young.count += len(fresh)
        return len(id_hashes) - len(fresh)

    def recall(self, records: Records) -> None:
        """Take in the ids of records that are in the log already, oldest first."""
        events = _decode_ids(records.lines)
        borders = np.flatnonzero(
            (np.diff(records.received_at) != 0)
            | (np.diff(records.source_codes) != 0)
            | (np.diff(records.imported) != 0)
        )
        for rows in np.split(np.arange(len(events)), borders + 1):
            named = [event for event in (events[row] for row in rows.tolist()) if event.event_id]
            if not named:
                continue
            received_at = int(records.received_at[rows[0]])
            hashes = that_reach(
                [hash(event.event_id) for event in named],
                [event.timestamp for event in named],
                received_at,
                "import" if records.imported[rows[0]] else "live",
                self._limits,
            )
            source = records.sources[int(records.source_codes[rows[0]])]
            for first in range(0, len(hashes), self._half_ids):
                self.remember(source, hashes[first : first + self._half_ids], received_at)

    def _rotate(self, received_at: int) -> None:
        young = self._young
        is_aged = abs(received_at - young.began_at) >= self._window_ms // 2
        if young.count and (is_aged or young.count >= self._half_ids):
            self._old, self._young = young, _Generation()
        if not self._old.is_within(self._window_ms, received_at):
            self._old = _Generation()
        if not self._young.count:
            self._young = _Generation(received_at, received_at)
        self._young.began_at = min(self._young.began_at, received_at)
        self._young.ended_at = max(self._young.ended_at, received_at)
