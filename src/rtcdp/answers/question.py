"""What questions are made of.

A question is a frozen struct. Its fields say what they mean, what they may be and what they are if
nobody says; the API reads it from an address and describes it from the same. A field whose value is
not written as it is says how it is `written`.
"""

from typing import Annotated, Literal

import msgspec

from rtcdp.answers.instant import iso_ms
from rtcdp.errors import BadRequest, UsageError
from rtcdp.events.event import MIN_TIMESTAMP_MS
from rtcdp.folds.days import check_time_zone

Written = Literal["instant", "duration", "cursor"]

NOW = "now"

INSTANT: dict[str, Written] = {"written": "instant"}

From = Annotated[int | None, msgspec.Meta(description="from this time on", extra=INSTANT)]
To = Annotated[int | None, msgspec.Meta(description="before this time", extra=INSTANT)]
Since = Annotated[
    int | None,
    msgspec.Meta(
        description="in place of `from`: this long ago, as a number with `s`, `m`, `h`, `d` or `w`",
        extra={"written": "duration"},
    ),
]
Limit = Annotated[int, msgspec.Meta(description="how many items at most", ge=1, le=1000)]
Cursor = Annotated[
    str | None,
    msgspec.Meta(description="the `next_cursor` of the page before", extra={"written": "cursor"}),
]

Zone = Annotated[str, msgspec.Meta(description="time zone that days begin in, like Europe/Berlin")]

Texts = dict[str, tuple[str, ...]]
"""Filters: fields that have to be equal to any of some texts. Which ones there are is for the route
to say."""

NAMES = {"start_from": "from", "start_to": "to"}
"""How fields are written whose names are none in Python."""


class Nothing(msgspec.Struct, frozen=True):
    """A question that says all there is to say by being asked."""


def check_zone(name: str) -> None:
    """Raises `BadRequest` when nobody knows the time zone."""
    try:
        check_time_zone(name)
    except UsageError as error:
        raise BadRequest(f"tz: {error}", "send one like tz=Europe/Berlin, or tz=UTC") from error


def beginning(
    start_from: int | None, since_ms: int | None, now_ms: int, start_to: int | None = None
) -> int | None:
    """`from` or `since`: the time that a list begins at, in UTC ms.

    Raises `BadRequest` where both are there, and where the list would begin after its end.
    """
    if since_ms is not None:
        if start_from is not None:
            raise BadRequest("from and since both say where to begin", "send one of them")
        start_from = max(MIN_TIMESTAMP_MS, now_ms - since_ms)
    if start_from is not None and start_to is not None and start_from > start_to:
        raise BadRequest(
            f"from={iso_ms(start_from)} comes after to={iso_ms(start_to)}",
            "send the earlier one as from",
        )
    return start_from
