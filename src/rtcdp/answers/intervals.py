"""Time cut into minutes, hours, days, weeks or months, as a time zone has them.

What is cut is half-open, and so is each piece; together the pieces are the whole, whatever clocks
do. A day is as `rtcdp.events.calendar` says, 23 or 25 hours long where clocks are changed. An hour
or minute begins when the local clock shows a full one, and when clocks are changed: the hour that
comes twice is two hours, and where clocks change by half an hour, one piece is half as long.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, cast

from rtcdp.errors import BadRequest
from rtcdp.events.calendar import CalendarStart, Unit, Weekday, zone_of

Interval = Literal["none", "minute", "hour", "day", "week", "month"]

PIECES_MAX = 10_000
"""So many minutes, hours, … one answer has at most: hours of a year, days of 27 years."""

_CLOCK_MS = {"minute": 60_000, "hour": 3_600_000}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Cut:
    """How time is cut. Raises `UsageError` for a time zone that there is none of."""

    interval: Interval
    zone: str = "UTC"
    week_starts: Weekday = "monday"

    def __post_init__(self) -> None:
        zone_of(self.zone)

    def start_of(self, instant: int) -> int:
        """Where the piece begins that the instant (UTC ms) lies in; itself without an interval."""
        if self.interval == "none":
            return instant
        length = _CLOCK_MS.get(self.interval)
        if length is None:
            return self._calendar.start_of(instant)
        offset = _offset_ms(instant, self.zone)
        start = instant - (instant + offset) % length
        if _offset_ms(start, self.zone) == offset:
            return start
        return _changed_at(start, instant, self.zone)

    def end_of(self, start: int) -> int:
        """Where the piece ends that begins there."""
        length = _CLOCK_MS.get(self.interval)
        if length is None:
            return self._calendar.end_of(start)
        offset = _offset_ms(start, self.zone)
        end = start + length - (start + offset) % length
        if _offset_ms(end - 1, self.zone) == offset:
            return end
        return _changed_at(start, end - 1, self.zone)

    def edges(self, time_from: int, time_to: int) -> list[int]:
        """Where the pieces of [`time_from`, `time_to`) (UTC ms) begin, and the end of the last: the
        first and the last piece are only as long as what is cut.

        Raises `BadRequest` when there are more than `PIECES_MAX`.
        """
        if self.interval == "none":
            return [time_from, time_to]
        found = [time_from]
        for edge in self._after(time_from):
            if edge >= time_to:
                return [*found, time_to]
            if len(found) == PIECES_MAX:
                break
            found.append(edge)
        raise BadRequest(
            f"there are more than {PIECES_MAX:,} of each {self.interval} between from and to",
            "ask for less time, or for a longer interval",
        )

    @property
    def _calendar(self) -> CalendarStart:
        return CalendarStart(cast("Unit", self.interval), self.zone, self.week_starts)

    def _after(self, instant: int) -> Iterator[int]:
        edge = self.start_of(instant)
        while True:
            edge = self.end_of(edge)
            yield edge


def local_iso(instant: int, zone: str) -> str:
    """An instant (UTC ms) as the clock of the time zone shows it, with its offset from UTC:
    `2026-03-29T00:00:00.000+01:00`."""
    return _local(instant, zone).isoformat(timespec="milliseconds")


def _local(instant: int, zone: str) -> datetime:
    return (_EPOCH + instant * _MILLISECOND).astimezone(zone_of(zone))


def _offset_ms(instant: int, zone: str) -> int:
    """How far the local clock is ahead of UTC."""
    offset = _local(instant, zone).utcoffset()
    assert offset is not None
    return offset // _MILLISECOND


def _changed_at(before: int, after: int, zone: str) -> int:
    """When the clock was changed to show what it shows at `after`, and did not at `before`."""
    offset = _offset_ms(after, zone)
    within = range(before, after + 1)
    return within[bisect_left(within, True, key=lambda at: _offset_ms(at, zone) == offset)]
