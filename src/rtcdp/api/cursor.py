"""Cursors: where the next page starts, as text that clients hand back without looking inside."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Literal

import msgspec

from rtcdp.api.instant import EARLIEST, LATEST
from rtcdp.api.problem import BadRequest

Part = int | str
Shape = type[str] | range | Literal["desc"]
"""What a part of a cursor may be: any text that a field can have, a whole number within bounds, or
one word."""

INSTANT = range(EARLIEST, LATEST + 1)
PARTITION = range(2**31)
OFFSET = range(2**63)


def write_cursor(parts: Sequence[Part]) -> str:
    return urlsafe_b64encode(msgspec.json.encode(list(parts))).decode().rstrip("=")


def read_cursor(text: str, shape: Sequence[Shape]) -> tuple[Part, ...]:
    """The parts of a cursor, each of which must be as `shape` says. Raises `BadRequest`."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        parts = msgspec.json.decode(raw, type=list[Part])
    except (ValueError, msgspec.MsgspecError) as error:
        raise _bad_cursor() from error
    if len(parts) != len(shape) or not all(map(_fits, parts, shape)):
        raise _bad_cursor()
    return tuple(parts)


def _fits(part: Part, shape: Shape) -> bool:
    if isinstance(shape, range):
        return type(part) is int and part in shape
    if not isinstance(part, str):
        return False
    return part == shape if isinstance(shape, str) else "\0" not in part


def _bad_cursor() -> BadRequest:
    return BadRequest(
        "the cursor does not belong to this list",
        "send the next_cursor of the page before with the same filters, or leave it away",
    )
