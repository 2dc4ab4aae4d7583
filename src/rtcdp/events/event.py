"""The event: what happened, in the shape that goes over the wire.

One rule set decides what is valid (`rtcdp.events.codec` applies it). Its limits have names here.
"""

import re
from datetime import datetime
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

MAX_EVENT_BYTES = 65_536
MAX_PROPERTIES_BYTES = 32_768
MAX_NESTING = 64
MAX_ABSOLUTE_VALUE = 2.0**33
"""Up to here a double tells millionths apart, so that sums are exact to six decimal places."""

MIN_TIMESTAMP_MS = -62_104_060_800_000  # 0002-01-01T00:00:00.000Z
MAX_TIMESTAMP_MS = 253_370_764_799_999  # 9998-12-31T23:59:59.999Z
"""A year is left at both ends, so that each window of an event begins and ends in a year that is
written with four digits."""

MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1

EVENT_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

PAGE_VIEW = "PAGE_VIEW"
PRODUCT_VIEW = "PRODUCT_VIEW"
SEARCH = "SEARCH"
ADD_TO_CART = "ADD_TO_CART"
PURCHASE = "PURCHASE"

TEXT_FIELDS = ("eventId", "userId", "sessionId", "eventType", "productId", "pageUrl")
"""The fields that metrics may use as keys or count distinct values of."""


class CustomerActivityEvent(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An event that passed every rule, with its `timestamp` as UTC milliseconds.

    Optional fields are None when they were absent or null. `properties` holds the object's
    own bytes as they came.
    """

    user_id: str
    timestamp_ms: int
    event_type: str
    event_id: str | None = None
    session_id: str | None = None
    product_id: str | None = None
    page_url: str | None = None
    value: float | None = None
    properties: bytes | None = None


Identifier = Annotated[str, Meta(min_length=1, max_length=100)]
ShortText = Annotated[str, Meta(max_length=256)]
Url = Annotated[str, Meta(max_length=2048)]
Instant = Annotated[datetime, Meta(tz=True)]
Amount = Annotated[float, Meta(ge=-MAX_ABSOLUTE_VALUE, le=MAX_ABSOLUTE_VALUE)]


Moment = TypeVar("Moment")


class EventOnTheWire(msgspec.Struct, Generic[Moment], gc=False, rename="camel", omit_defaults=True):
    """What a client sends, `timestamp` as an integer or a `Moment`: the text as it came, or
    what it means. Unknown fields are allowed, kept in the record and ignored."""

    user_id: Annotated[str, Meta(min_length=1, max_length=256)]
    timestamp: Moment | int
    event_type: str
    event_id: Identifier | UnsetType | None = UNSET
    session_id: ShortText | UnsetType | None = UNSET
    product_id: ShortText | UnsetType | None = UNSET
    page_url: Url | UnsetType | None = UNSET
    value: Amount | UnsetType | None = UNSET
    properties: Raw | UnsetType = UNSET


class KnownFieldsOnly(
    EventOnTheWire[Instant],
    gc=False,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """The shape of an event without unknown fields, which a whole batch can be checked for."""
