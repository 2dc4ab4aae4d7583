"""The one rule by which pages write times: in the time zone that the address names, or else the one
that the visitor chose last, or else UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from rtcdp.answers.instant import iso_ms
from rtcdp.answers.question import check_zone
from rtcdp.errors import BadRequest
from rtcdp.events.calendar import zone_of

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
