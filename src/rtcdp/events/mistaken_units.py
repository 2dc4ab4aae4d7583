"""Times since 1970 in another unit than milliseconds: their size tells which."""

from typing import NamedTuple

SECONDS = range(10**8, 10**10)
"""As milliseconds since 1970 these numbers lie within its first days, as seconds between 1973 and
2286: whoever sends one means seconds."""


class Mistaken(NamedTuple):
    """What a number is taken to be: `unit` in words, and the `milliseconds` that were meant."""

    unit: str
    milliseconds: int


def mistaken(number: int) -> Mistaken | None:
    """In which other unit than milliseconds a `number` since 1970 seems to be; None where it may
    well be milliseconds, or is no time of these years in any of them."""
    if abs(number) in SECONDS:
        return Mistaken("seconds", number * 1000)
    for unit, too_many in (("microseconds", 10**3), ("nanoseconds", 10**6)):
        if abs(number) // too_many // 1000 in SECONDS:
            return Mistaken(unit, number // too_many)
    return None


def doubt_about(instant_ms: int) -> str | None:
    """What to say of an event whose time, taken as milliseconds, seems to be seconds; None where
    there is nothing to doubt."""
    if instant_ms not in SECONDS:
        return None
    return (
        f"timestamp {instant_ms} looks like seconds since 1970, and is taken as milliseconds: "
        f"send {instant_ms * 1000}"
    )
