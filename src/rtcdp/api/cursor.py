"""Cursors: where the next page starts, as text that clients hand back without looking inside."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import msgspec

from rtcdp.api.problem import BadRequest

Part = int | str


def write_cursor(parts: Sequence[Part]) -> str:
    return urlsafe_b64encode(msgspec.json.encode(list(parts))).decode().rstrip("=")


def read_cursor(text: str, shape: Sequence[type[Part]]) -> tuple[Part, ...]:
    """The parts of a cursor that must have the types of `shape`. Raises `BadRequest`."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        parts = msgspec.json.decode(raw, type=list[Part])
    except (ValueError, msgspec.MsgspecError) as error:
        raise _bad_cursor() from error
    if [type(part) for part in parts] != list(shape) or not all(map(_fits, parts)):
        raise _bad_cursor()
    return tuple(parts)


def _fits(part: Part) -> bool:
    return isinstance(part, str) or -(2**63) <= part < 2**63


def _bad_cursor() -> BadRequest:
    return BadRequest(
        "the cursor does not belong to this list",
        "send the next_cursor of the page before with the same filters, or leave it away",
    )
