"""What is said of a product: its name, category and price, and from when on that holds.

The second stream, `product_updates`. Its records are judged as strictly as events are
(`rtcdp.events.codec`), and by one rule on every path: the collector's, Kafka's and a file's. An
update says all that is known of the product from `validFrom` on; what it leaves out is unknown.
"""

import re
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from rtcdp.events import event as rules
from rtcdp.events.codec import (
    has_field_twice,
    parse_timestamp_ms,
    reason_for,
    timestamp_in_range,
    why_unreadable,
)
from rtcdp.events.dead_letter import DeadLetterReason, Rejection
from rtcdp.events.faults import INSTANT_WORDS

_TEXT = "a string of 1 to 256 characters"
_WORDS = {
    "productId": _TEXT,
    "name": _TEXT,
    "category": _TEXT,
    "price": f"a number from 0 to {rules.MAX_ABSOLUTE_VALUE:.0f}",
    "validFrom": f"{INSTANT_WORDS}; without it, an update holds from its intake on",
}
"""What to send, by field."""

_FIELD_IN_ERROR = re.compile(r"`\$\.(\w+)`")
_MISSING = re.compile(r"missing required field `(\w+)`")

_Text = Annotated[str, Meta(min_length=1, max_length=256)]
_Price = Annotated[float, Meta(ge=0, le=rules.MAX_ABSOLUTE_VALUE)]


class ProductUpdate(msgspec.Struct, frozen=True, gc=False):
    """An update that passed every rule. `valid_from_ms` is UTC ms, None for the time of intake."""

    product_id: str
    name: str | None
    category: str | None
    price: float | None
    valid_from_ms: int | None


class _OnTheWire(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    product_id: _Text
    name: _Text | UnsetType | None = UNSET
    category: _Text | UnsetType | None = UNSET
    price: _Price | UnsetType | None = UNSET
    valid_from: str | int | UnsetType | None = UNSET


_KNOWN_FIELDS = frozenset(field.encode_name for field in msgspec.structs.fields(_OnTheWire))
_decode_update = msgspec.json.Decoder(_OnTheWire).decode


def decode_product_update(record: bytes) -> ProductUpdate | Rejection:
    """Decode one record, strictly.

    `record` is the JSON text of one object, as long as an event at most; fields that are not known
    are ignored, and null is the same as absent. Returns the update, or a `Rejection` that names the
    reason and says what to send instead. Raises nothing.
    """
    unreadable = why_unreadable(record)
    if unreadable is not None:
        return unreadable
    try:
        wire = _decode_update(record)
    except msgspec.ValidationError as error:
        return _invalid(reason_for(str(error)), str(error))
    if has_field_twice(record, wire, _KNOWN_FIELDS):
        message = "a field of the update appears twice; send each field once"
        return Rejection("duplicate_key", "parse", message)
    for field in ("product_id", "name", "category"):
        text = getattr(wire, field)
        if isinstance(text, str) and "\0" in text:
            return Rejection(
                "invalid_character", "validate", f"{field} holds the character U+0000: leave it out"
            )
    try:
        valid_from_ms = _instant_of(wire.valid_from)
    except msgspec.ValidationError:
        return _refused("invalid_timestamp", "validFrom", "is not a time with an offset from UTC")
    if valid_from_ms is not None and not timestamp_in_range(valid_from_ms):
        return _refused("invalid_timestamp", "validFrom", "lies outside of the years 0002 to 9998")
    return ProductUpdate(
        wire.product_id,
        _present(wire.name),
        _present(wire.category),
        None if wire.price is UNSET or wire.price is None else wire.price + 0.0,
        valid_from_ms,
    )


def _instant_of(moment: str | int | UnsetType | None) -> int | None:
    if moment is UNSET or moment is None:
        return None
    return moment if isinstance(moment, int) else parse_timestamp_ms(moment)


def _present(text: str | UnsetType | None) -> str | None:
    return None if text is UNSET else text


def _invalid(reason: DeadLetterReason, error: str) -> Rejection:
    missing = _MISSING.search(error)
    if missing is not None:
        return _refused("missing_field", missing[1], "is missing")
    field = _FIELD_IN_ERROR.search(error)
    if field is None or field[1] not in _WORDS:
        return Rejection(reason, "validate", error)
    return _refused(reason, field[1], "can't be that")


def _refused(reason: DeadLetterReason, field: str, fault: str) -> Rejection:
    return Rejection(reason, "validate", f"{field} {fault}: send {_WORDS[field]}")
