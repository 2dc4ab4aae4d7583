"""What is made of an event's fields, and which windows it falls into: by the written rules alone.

As `rtcdp.verify.judge`, it shares no line of code with what it judges. A field is its name, or a
dictionary that says what is made of which; a window is a size and a slide, or a calendar's.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

Event = Mapping[str, Any]
Field = str | Mapping[str, Any]

_NUMBER_MAX, _TEXT_MAX, _WHOLE_MAX = 2**33, 256, 10**16
_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/]*)(.*)", re.DOTALL)
_CAPITALS = re.compile(r"[A-Z]+")
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


def value_in(field: Field, event: Event) -> Any:
    """What an event has there: a text, a number, or None."""
    if isinstance(field, str):
        return event[field]
    match field["made"]:
        case "property":
            return _text(_member(event, field["key"]))
        case "number":
            return _number(_member(event, field["key"]))
        case "path":
            return _path(event[field["of"]])
        case "host":
            return _host(event[field["of"]])
    number = value_in(field["of"], event)  # buckets
    limits = ["", *map(_text, field["limits"]), ""]
    ranges = [f"{low}..{high}" for low, high in pairwise(limits)]
    return None if number is None else ranges[bisect_right(field["limits"], number)]


def starts_of(metric: Mapping[str, Any], instant: int) -> Iterable[int]:
    """Where the windows begin that an instant falls into (UTC ms)."""
    if "calendar" in metric:
        return (_midnight(_days(metric["calendar"], instant)[0], metric["calendar"]["zone"]),)
    size, slide = metric["size_ms"], metric["slide_ms"]
    return range(instant // slide * slide, instant - size, -slide)


def end_of(metric: Mapping[str, Any], start: int) -> int:
    """Where the window that begins there ends."""
    if "calendar" in metric:
        return _midnight(_days(metric["calendar"], start)[1], metric["calendar"]["zone"])
    return int(start + metric["size_ms"])


def _member(event: Event, key: str) -> Any:
    """Under a key of `properties`, the last."""
    return {name: value for name, value, _ in event["properties"] or ()}.get(key)


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return None if len(value) > _TEXT_MAX or "\0" in value else value
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, int | float):
        return None
    number = float(value) + 0.0  # no negative zero
    is_short = number.is_integer() and abs(number) < _WHOLE_MAX
    return f"{number:.0f}" if is_short else repr(number)


def _number(value: Any) -> float | None:
    is_number = type(value) in (int, float) and abs(value) <= _NUMBER_MAX
    return value + 0.0 if is_number else None


def _path(address: str | None) -> str | None:
    if address is None:
        return None
    plain = re.split(r"[?#]", address, maxsplit=1)[0]
    found = _ADDRESS.fullmatch(plain)
    return (found[2] if found else plain) or "/"


def _host(address: str | None) -> str | None:
    found = _ADDRESS.fullmatch(re.split(r"[?#]", address or "", maxsplit=1)[0])
    if found is None:
        return None
    host = re.sub(r":[0-9]*\Z", "", found[1].split("@")[-1])
    return _CAPITALS.sub(lambda letters: letters[0].lower(), host) or None


def _days(calendar: Mapping[str, str], instant: int) -> tuple[date, date]:
    """The first local day of the window that an instant lies in, and the first of the next."""
    zone, day = calendar["zone"], timedelta(days=1)
    local = (_EPOCH + instant * _MILLISECOND).astimezone(_zone(zone)).date()
    near = [local + step * day for step in (-1, 0, 1)]
    today = [each for each in near if _midnight(each, zone) <= instant][-1]
    if calendar["unit"] == "day":
        return today, today + day
    if calendar["unit"] == "week":
        while today.strftime("%A").lower() != calendar["week_starts"]:
            today -= day
        return today, today + 7 * day
    first = today.replace(day=1)
    return first, (first + 32 * day).replace(day=1)


def _midnight(day: date, zone: str) -> int:
    """The first midnight of a day, or what would have been it, as UTC ms."""
    local = datetime(day.year, day.month, day.day, tzinfo=_zone(zone))
    return (local - _EPOCH) // _MILLISECOND


@lru_cache
def _zone(name: str) -> ZoneInfo:
    """The rules that came with the installation."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
