"""The one rule by which pages write times, and read those that are typed in: in the time zone that
the address names, or else the one that the visitor chose last, or else UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from rtcdp.answers.instant import iso_ms, read_instant
from rtcdp.answers.question import check_zone
from rtcdp.errors import BadRequest
from rtcdp.events.calendar import midnight, zone_of
from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS

UTC_NAME = "UTC"
COOKIE = "rtcdp-tz"
"""Where the browser keeps the choice."""

COMMON = (
    UTC_NAME,
    "America/Los_Angeles",
    "America/New_York",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Berlin",
    "Africa/Lagos",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
)
"""What is offered for a choice; an address may name any other one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ON_A_CLOCK = re.compile(_DATE.pattern + r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,3})?)?")


@dataclass(frozen=True)
class PageZone:
    """A time zone that is known, and how instants (UTC ms) are written in it."""

    name: str = UTC_NAME

    @cached_property
    def _info(self) -> ZoneInfo:
        return zone_of(self.name)

    def local(self, instant: int) -> datetime:
        """The instant on the clocks of this zone."""
        return (_EPOCH + timedelta(milliseconds=instant)).astimezone(self._info)

    def iso(self, instant: int) -> str:
        """For machines: ISO-8601 in UTC."""
        return iso_ms(instant)

    def second(self, instant: int) -> str:
        """Like `14:03:05`."""
        return f"{self.local(instant):%H:%M:%S}"

    def minute(self, instant: int) -> str:
        """Like `14:03`."""
        return f"{self.local(instant):%H:%M}"

    def day(self, instant: int) -> str:
        """Like `26 Nov`."""
        return self._day(instant, "%b")

    def day_after(self, instant: int) -> int:
        """When the next day begins on the clocks of this zone."""
        tomorrow = self.local(instant).date() + timedelta(days=1)
        return self.read("day", tomorrow.isoformat())

    def date(self, instant: int) -> str:
        """Like `2026-11-26`."""
        return f"{self.local(instant):%Y-%m-%d}"

    def moment(self, instant: int) -> str:
        """Like `26 Nov 2026, 14:03:05`."""
        return self._day(instant, "%b %Y, %H:%M:%S")

    def _day(self, instant: int, rest: str) -> str:
        """The number of the day without a zero before it, and what follows."""
        local = self.local(instant)
        return f"{local.day} {local.strftime(rest)}"

    def offset(self, instant: int) -> str:
        """How far it is from UTC at that time, like `UTC+05:30`."""
        text = f"{self.local(instant):%z}"
        return UTC_NAME if text == "+0000" else f"{UTC_NAME}{text[:3]}:{text[3:5]}"

    def field(self, instant: int) -> str:
        """For a field of a form: `2026-11-26T14:03`, with the seconds where there are some."""
        local = self.local(instant).replace(tzinfo=None)
        exact = "milliseconds" if instant % 1000 else "seconds" if instant % 60_000 else "minutes"
        return local.isoformat(timespec=exact)

    def read(self, name: str, text: str, *, is_end: bool = False) -> int:
        """The instant (UTC ms) that the parameter `name` says: a date, whose beginning it is, or a
        time, as the clocks of this zone show them, or what the API reads besides.

        A time that comes twice is meant the first time, or, where it `is_end`, the second; one that
        clocks skip is when it would have been by the time before. Raises `BadRequest`.
        """
        try:
            found = self._read(name, text, is_end=is_end)
        except (BadRequest, ValueError, OverflowError):
            found = None  # what the API would say has no word of this zone
        if found is None or not MIN_TIMESTAMP_MS <= found <= MAX_TIMESTAMP_MS:
            raise BadRequest(
                f"{name}={text[:100]!r} is not a time that events have",
                f"send a time of {self.name} like {name}=2026-01-31T09:30, or a date alone",
            )
        return found

    def _read(self, name: str, text: str, *, is_end: bool) -> int:
        if _DATE.fullmatch(text):
            return midnight(date.fromisoformat(text), self.name)
        if _ON_A_CLOCK.fullmatch(text) is None:
            return read_instant(name, text)
        local = datetime.fromisoformat(text)
        first, second = (
            (local.replace(tzinfo=self._info, fold=fold) - _EPOCH) // _MILLISECOND
            for fold in (0, 1)
        )
        return max(first, second) if is_end else first


def zone_named(name: str) -> PageZone:
    """Raises `BadRequest` when nobody knows the time zone."""
    check_zone(name)
    return PageZone(name)


def zone_kept(cookies: str) -> PageZone:
    """What the visitor chose last, as the header `Cookie` has it; UTC where that is nothing."""
    try:
        kept = SimpleCookie(cookies).get(COOKIE)
        return PageZone() if kept is None else zone_named(unquote(kept.value))
    except (BadRequest, CookieError):
        return PageZone()
