"""Days, weeks and months as people have them: from midnight to midnight in a time zone.

A day begins at its local midnight. Where clocks skip midnight, it begins when it would have been
midnight by the time before; where midnight comes twice, with the first one.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Literal, get_args
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from rtcdp.clock import DAY_MS
from rtcdp.errors import UsageError
from rtcdp.events.derived import Batch, Derived, Fields, add_kind

Unit = Literal["day", "week", "month"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

_NAME_LETTERS_MAX = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class CalendarStart(Derived):
    """When the day, week or month of an event began, in UTC ms."""

    type = "integer"
    unit: Unit
    zone: str
    week_starts: Weekday

    @property
    def column(self) -> str:
        return f"calendar:{self.unit}:{self.week_starts}:{quote(self.zone, safe='')}"

    @property
    def fields(self) -> tuple[str, ...]:
        return ()

    def of_batch(self, batch: Batch) -> pl.Series:
        """Looks at the days that have events, not at each event: whatever holds an event of a day
        (of UTC) holds one of the day's ends or its middle, since it is longer than half a day."""
        instants = batch.frame["timestamp"].to_numpy()
        days = np.unique(instants // DAY_MS).tolist()
        near = {day * DAY_MS + half * (DAY_MS // 2) for day in days for half in range(3)}
        starts = np.array(sorted({self.start_of(instant) for instant in near}), np.int64)
        if len(starts) == 0:
            return pl.Series(instants, dtype=pl.Int64)
        return pl.Series(starts[np.searchsorted(starts, instants, side="right") - 1])

    def of_event(self, event: Fields) -> float:
        """From a month before on, day by day."""
        instant = event["timestamp"]
        assert isinstance(instant, int)
        day = (_EPOCH + instant * _MILLISECOND).date() - timedelta(days=33)
        found = instant
        for step in range(36):
            begins = midnight(day + timedelta(days=step), self.zone)
            if begins <= instant and self._begins_with(day + timedelta(days=step)):
                found = begins
        return found

    def start_of(self, instant: int) -> int:
        """The beginning of the day, week or month that the instant (UTC ms) lies in."""
        return midnight(self._first_day(self._day_of(instant)), self.zone)

    def end_of(self, start: int) -> int:
        """The end of the one that begins there."""
        first = self._day_of(start)
        match self.unit:
            case "day":
                following = first + timedelta(days=1)
            case "week":
                following = first + timedelta(days=7)
            case "month":
                following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        return midnight(following, self.zone)

    def _day_of(self, instant: int) -> date:
        """The local day: the last one that has begun."""
        day = (_EPOCH + instant * _MILLISECOND).astimezone(zone_of(self.zone)).date()
        while midnight(day, self.zone) > instant:
            day -= timedelta(days=1)
        while midnight(day + timedelta(days=1), self.zone) <= instant:
            day += timedelta(days=1)
        return day

    def _first_day(self, day: date) -> date:
        match self.unit:
            case "day":
                return day
            case "week":
                since = (day.weekday() - WEEKDAYS.index(self.week_starts)) % 7
                return day - timedelta(days=since)
            case "month":
                return day.replace(day=1)

    def _begins_with(self, day: date) -> bool:
        return self._first_day(day) == day


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """The rules of a time zone, those that came with the installation, so that all of its parts
    have the same. Raises `UsageError` for a name that there is none of."""
    place = resources.files("tzdata") / "zoneinfo"
    parts = name.split("/")
    if len(name) <= _NAME_LETTERS_MAX and all(
        part.isascii() and part.replace("_", "").replace("-", "").replace("+", "").isalnum()
        for part in parts
    ):
        for part in parts:
            place = place / part
        if place.is_file():
            with place.open("rb") as file:
                return ZoneInfo.from_file(file, key=name)
    shown = name[:_NAME_LETTERS_MAX]
    raise UsageError(f"there is no time zone {shown!r}", "name one like Europe/Berlin, or UTC")


@lru_cache(maxsize=100_000)
def midnight(day: date, zone: str) -> int:
    """When the day begins in the time zone, in UTC ms."""
    local = datetime(day.year, day.month, day.day, tzinfo=zone_of(zone))
    return (local.astimezone(UTC) - _EPOCH) // _MILLISECOND


def _calendar_of(rest: str) -> CalendarStart:
    unit, week_starts, zone = rest.split(":")
    return CalendarStart(unit, unquote(zone), week_starts)  # type: ignore[arg-type]


add_kind("calendar", _calendar_of)
