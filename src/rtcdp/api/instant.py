"""Times as the API writes and reads them: ISO-8601 UTC with milliseconds and `Z`."""

import re

import msgspec
import numpy as np

from rtcdp.api.problem import BadRequest
from rtcdp.events.codec import parse_timestamp_ms
from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS
from rtcdp.vocabulary.window import MAX_SIZE_MS

_EPOCH_MS = re.compile(r"-?[0-9]{1,16}")
_EARLIEST = MIN_TIMESTAMP_MS - MAX_SIZE_MS
_LATEST = MAX_TIMESTAMP_MS + MAX_SIZE_MS
"""Whatever a window begins or ends with can be asked for."""


def iso_ms(instant: int) -> str:
    """`1767225600000` as `2026-01-01T00:00:00.000Z`."""
    return f"{np.datetime64(instant, 'ms')}Z"


def iso_ms_or_none(instant: int | None) -> str | None:
    return None if instant is None else iso_ms(instant)


def read_instant(name: str, text: str) -> int:
    """UTC milliseconds of the parameter `name`: ISO-8601 with offset, or milliseconds since 1970.

    Raises `BadRequest`.
    """
    try:
        instant = int(text) if _EPOCH_MS.fullmatch(text) else parse_timestamp_ms(text)
    except (msgspec.ValidationError, OverflowError) as error:
        raise _bad_instant(name, text) from error
    if not _EARLIEST <= instant <= _LATEST:
        raise _bad_instant(name, text)
    return instant


def _bad_instant(name: str, text: str) -> BadRequest:
    return BadRequest(
        f"{name}={text[:100]!r} is not a time",
        f"send {name}=2026-01-31T09:30:00.000Z or milliseconds since 1970; "
        "an offset's + is written %2B in an address",
    )
