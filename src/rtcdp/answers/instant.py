"""Times as the API writes and reads them: ISO-8601 UTC with milliseconds and `Z`."""

import functools
import re

import msgspec
import numpy as np

from rtcdp.definitions import MAX_SIZE_MS
from rtcdp.errors import BadRequest
from rtcdp.events.codec import parse_timestamp_ms
from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS
from rtcdp.events.mistaken_units import SECONDS, mistaken

_WHOLE = re.compile(r"-?[0-9]{1,20}")
_NUMBER = re.compile(r"-?[0-9]+\.?[0-9]*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WITHOUT_OFFSET = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]+(\.[0-9]+)?")

DURATION = re.compile(r"[1-9][0-9]{0,5}[smhdw]")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

EARLIEST = MIN_TIMESTAMP_MS - MAX_SIZE_MS
LATEST = MAX_TIMESTAMP_MS + MAX_SIZE_MS
"""Whatever a window begins or ends with can be asked for."""


@functools.lru_cache(maxsize=4096)
def iso_ms(instant: int) -> str:
    """`1767225600000` as `2026-01-01T00:00:00.000Z`."""
    return f"{np.datetime64(instant, 'ms')}Z"


def iso_ms_or_none(instant: int | None) -> str | None:
    return None if instant is None else iso_ms(instant)


def read_instant(name: str, text: str) -> int:
    """UTC milliseconds of the parameter `name`: ISO-8601 with offset, a date alone (its beginning
    in UTC), or milliseconds since 1970.

    Raises `BadRequest`.
    """
    try:
        instant = _instant(text)
    except (msgspec.ValidationError, OverflowError) as error:
        raise _bad_instant(name, text) from error
    if not EARLIEST <= instant <= LATEST or (_WHOLE.fullmatch(text) and abs(instant) in SECONDS):
        raise _bad_instant(name, text)
    return instant


def duration_ms(name: str, text: str) -> int:
    """Milliseconds of the parameter `name`: a number with its unit, like `15m`.

    Raises `BadRequest`.
    """
    if DURATION.fullmatch(text) is None:
        raise BadRequest(
            f"{name}={text[:100]!r} is not a duration",
            f"send a number with s, m, h, d or w, like {name}=1h; for a time, send from=",
        )
    return int(text[:-1]) * _UNIT_MS[text[-1]]


def _instant(text: str) -> int:
    if _WHOLE.fullmatch(text):
        return int(text)
    return parse_timestamp_ms(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)


def _bad_instant(name: str, text: str) -> BadRequest:
    shown = f"{name}={text[:100]!r}"
    example = f"send {name}=2026-01-31T09:30:00.000Z, a date alone, or milliseconds since 1970"
    if _NUMBER.fullmatch(text):
        meant = mistaken(int(text.partition(".")[0][:20]))
        if meant is not None:
            return BadRequest(
                f"{shown} looks like {meant.unit} since 1970",
                f"send milliseconds: {name}={meant.milliseconds}",
            )
    if _WITHOUT_OFFSET.fullmatch(text):
        return BadRequest(
            f"{shown} has no offset from UTC", f"send {name}={text}Z, or with +02:00, written %2B"
        )
    return BadRequest(
        f"{shown} is not a time", f"{example}; an offset's + is written %2B in an address"
    )
