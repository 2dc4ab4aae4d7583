"""Lists: where the next page starts, as text that clients hand back without looking inside, and the
single lists that one with several values of a filter is put together from."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Literal

import msgspec

from rtcdp.answers.instant import EARLIEST, LATEST
from rtcdp.errors import BadRequest

Part = int | str
Shape = type[str] | range | Literal["desc"]
"""What a part of a cursor may be: any text that a field can have, a whole number within bounds, or
one word."""

INSTANT = range(EARLIEST, LATEST + 1)
PARTITION = range(2**31)
OFFSET = range(2**63)

MAX_COMBINATIONS = 50
"""How many choices one request may ask for: each is a search of its own."""


def write_cursor(parts: Sequence[Part]) -> str:
    return urlsafe_b64encode(msgspec.json.encode(list(parts))).decode().rstrip("=")


def cursor_after(parts: Sequence[Part] | None) -> str | None:
    """Where the next page begins: behind this place; None where there is none."""
    return None if parts is None else write_cursor(parts)


def read_cursor(text: str | None, shape: Sequence[Shape]) -> tuple[Part, ...] | None:
    """The parts of a cursor, each of which must be as `shape` says; None where there is none.

    Raises `BadRequest`.
    """
    if text is None:
        return None
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


def combinations(fields: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Each choice of one value a field; one empty choice where there are no fields.

    Raises `BadRequest` when there are more than `MAX_COMBINATIONS`.
    """
    count = prod(map(len, fields.values()))
    if count > MAX_COMBINATIONS:
        raise BadRequest(
            f"the filters have {count} combinations of values",
            f"ask for {MAX_COMBINATIONS} at most at a time",
        )
    return (dict(zip(fields, chosen, strict=True)) for chosen in product(*fields.values()))
