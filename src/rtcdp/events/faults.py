"""What is wrong with an event that was refused: every fault, in plain words.

Looked for once `rtcdp.events.codec` has refused a record: good events pay nothing for it.
Each field is decoded alone by the same types that the whole event is decoded by: whatever the
decoder refuses in the event it refuses here, and is found.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from rtcdp.events import event as rules
from rtcdp.events.event import KnownFieldsOnly
from rtcdp.events.mistaken_units import mistaken

INSTANT_WORDS = (
    "ISO-8601 with an offset, like 2026-01-31T09:30:00.000Z, or an integer of milliseconds since "
    "1970"
)
EVENT_TYPE_WORDS = "capital letters, digits and _, 64 at most, like PAGE_VIEW"
_YEARS = "lies outside of the years 0002 to 9998"
OUT_OF_YEARS = f"timestamp {_YEARS}"

_TEXT = "a string of 1 to {} characters"
_OPTIONAL_TEXT = "a string of up to {} characters"
_WORDS = {
    "userId": _TEXT.format(256),
    "timestamp": INSTANT_WORDS,
    "eventType": EVENT_TYPE_WORDS,
    "eventId": _TEXT.format(100),
    "sessionId": _OPTIONAL_TEXT.format(256),
    "productId": _OPTIONAL_TEXT.format(256),
    "pageUrl": _OPTIONAL_TEXT.format(2048),
    "value": f"a number from -{rules.MAX_ABSOLUTE_VALUE:.0f} to {rules.MAX_ABSOLUTE_VALUE:.0f}",
    "properties": f"an object of up to {rules.MAX_PROPERTIES_BYTES} bytes",
}
"""What to send, by field."""

_KINDS: tuple[tuple[Any, str], ...] = (
    (type(None), "null"),
    (bool, "true or false"),
    (int | float, "a number"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
)


class _PropertiesAlone(msgspec.Struct):
    properties: msgspec.Raw


_decode_properties = msgspec.json.Decoder(_PropertiesAlone).decode
_decode_anything = msgspec.json.Decoder().decode


def _decoders() -> dict[str, Callable[[bytes], Any]]:
    return {
        field.encode_name: msgspec.json.Decoder(
            msgspec.defstruct("_Alone", [(field.name, field.type, msgspec.UNSET)], rename="camel")
        ).decode
        for field in msgspec.structs.fields(KnownFieldsOnly)
    }


_DECODERS = _decoders()


def faults_of(record: bytes) -> tuple[str, ...]:
    """Every fault of `record`, which is a JSON object: a sentence each that names the field, what
    it is, and what to send instead."""
    found: Mapping[str, object] = _decode_anything(record)
    return (*_missing(found), *_faulty(record, found))


def _missing(found: Mapping[str, object]) -> Iterator[str]:
    absent = [name for name in ("userId", "timestamp", "eventType") if name not in found]
    if absent:
        *others, last = absent
        names = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        yield f"{names} missing"


def _faulty(record: bytes, found: Mapping[str, object]) -> Iterator[str]:
    for name, words in _WORDS.items():
        if name not in found:
            continue
        fault = _fault_of(name, found[name], record)
        if fault is not None:
            yield f"{name} {fault}: send {words}"


def _fault_of(name: str, value: object, record: bytes) -> str | None:
    if not _is_of_type(name, record):
        is_good_alone = _is_of_type(name, msgspec.json.encode({name: value}))
        return "is there twice" if is_good_alone else _mismatch(name, value)
    if isinstance(value, str) and name != "timestamp":
        if "\0" in value:
            return "holds the character U+0000"
        if name == "eventType" and rules.EVENT_TYPE.fullmatch(value) is None:
            return "is none that can be counted"
    if name == "timestamp" and not _is_in_range(record):
        meant = mistaken(value) if isinstance(value, int) else None
        return _YEARS if meant is None else f"looks like {meant.unit} since 1970"
    if name == "properties" and value is not None:
        return _fault_of_properties(value, record)
    return None


def _is_of_type(name: str, record: bytes) -> bool:
    try:
        _DECODERS[name](record)
    except msgspec.ValidationError:
        return False
    return True


def _mismatch(name: str, value: object) -> str:
    if isinstance(value, str) and name == "timestamp":
        return "has no offset from UTC" if _is_local_time(value) else "is not a time"
    if isinstance(value, str) and name != "value":
        return "is empty" if value == "" else f"has {len(value)} characters"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name == "value":
            return "is out of range"
        if name == "timestamp":
            return "is no whole number"
    return f"is {_kind(value)}"


def _is_local_time(text: str) -> bool:
    try:
        return msgspec.convert(text, datetime).tzinfo is None
    except msgspec.ValidationError:
        return False


def _is_in_range(record: bytes) -> bool:
    timestamp = _DECODERS["timestamp"](record).timestamp
    if isinstance(timestamp, int):
        return rules.MIN_TIMESTAMP_MS <= timestamp <= rules.MAX_TIMESTAMP_MS
    try:
        milliseconds = float(timestamp.timestamp() * 1000)
    except OverflowError:
        return False
    return rules.MIN_TIMESTAMP_MS <= milliseconds < rules.MAX_TIMESTAMP_MS + 1


def _fault_of_properties(value: object, record: bytes) -> str | None:
    if not isinstance(value, dict):
        return f"is {_kind(value)}"
    size = len(bytes(_decode_properties(record).properties))
    return f"has {size} bytes" if size > rules.MAX_PROPERTIES_BYTES else None


def _kind(value: object) -> str:
    return next(words for kind, words in _KINDS if isinstance(value, kind))
