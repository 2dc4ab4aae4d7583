"""The written rule of an event, read a second time: from bytes to fields, or to a reason.

Follows docs/semantics.md and shares no code with the codec. Where a record breaks several rules,
the first names the reason: those of the bytes, then of the JSON text, then of each field by itself
in the order in which they stand, then of the whole event.
"""

import re
from collections.abc import Callable
from datetime import datetime, time
from itertools import accumulate
from typing import Any, NoReturn

EVENT_BYTES_MAX, PROPERTIES_BYTES_MAX, DEPTH_MAX, VALUE_MAX = 65_536, 32_768, 64, 2**33
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
YEAR_2_MS, YEAR_9999_MS = -62_104_060_800_000, 253_370_764_800_000

LENGTHS = {"userId": (1, 256), "eventType": (0, EVENT_BYTES_MAX), "eventId": (1, 100)}
LENGTHS |= {"sessionId": (0, 256), "productId": (0, 256), "pageUrl": (0, 2048)}
"""How many characters a text field has, at least and at most."""

REQUIRED, OTHERS = ("userId", "timestamp", "eventType"), ("timestamp", "value", "properties")
FIELDS = (*LENGTHS, *OTHERS)

_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)"')
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|.)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*(?:"|\Z)', re.DOTALL)
_NO_BRACKET = re.compile(r"[^][{}]+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_ESCAPED = dict(zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True))
_WORDS = {"true": True, "false": False, "null": None}
_EVENT_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))"
)


class Unfit(Exception):
    """The record is no event; its argument is the reason, one of the closed list."""


def event_of(raw: bytes) -> dict[str, Any]:
    """The fields of a record: texts as they came, `timestamp` as UTC ms, `value` as a float, None
    where there is none. Raises `Unfit`."""
    document = _document(raw)
    line = {name: len(value) for name, value, _ in document if isinstance(value, str)}
    is_line = {name for name, *_ in document} == line.keys() == {"unmapped", "line"}
    if raw.startswith(b'{"unmapped":') and is_line and 0 < line["unmapped"] <= 1000:
        raise Unfit("not_mapped")  # what a replay puts in the place of a line without an event
    fields: dict[str, Any] = dict.fromkeys(FIELDS)
    seen, lengths = [], {"properties": 0}
    for name, value, length in document:
        if name in FIELDS:
            fields[name] = _field(name, value)
            seen.append(name)
            lengths[name] = length
    instant = fields["timestamp"] = _instant(fields["timestamp"])
    of_the_whole = {
        "missing_field": not set(REQUIRED) <= set(seen),
        "duplicate_key": len(seen) != len(set(seen)),
        "invalid_event_type": not _EVENT_TYPE.fullmatch(str(fields["eventType"])),
        "invalid_timestamp": instant is None or not YEAR_2_MS <= instant < YEAR_9999_MS,
        "invalid_character": any("\0" in str(fields[name]) for name in LENGTHS),
        "wrong_type": not isinstance(fields["properties"], tuple | None),
        "too_large": lengths["properties"] > PROPERTIES_BYTES_MAX,
    }
    for reason, is_broken in of_the_whole.items():
        if is_broken:
            raise Unfit(reason)
    return fields


def _field(name: str, value: Any) -> Any:
    """A field's value by itself."""
    if name == "timestamp":
        return value if type(value) in (int, str) else _unfit("invalid_timestamp")
    if name == "properties" or (value is None and name not in REQUIRED):
        return value
    if name == "value":
        if type(value) not in (int, float):
            raise Unfit("wrong_type")
        number = float(value)
        return number + 0.0 if abs(number) <= VALUE_MAX else _unfit("out_of_range")
    if not isinstance(value, str):
        raise Unfit("wrong_type")
    shortest, longest = LENGTHS[name]
    return value if shortest <= len(value) <= longest else _unfit("out_of_range")


def _instant(moment: int | str | None) -> int | None:
    """UTC ms, of ISO-8601 text with an offset rounded down; None where it is no moment."""
    found = _INSTANT.fullmatch(moment) if isinstance(moment, str) else None
    if found is None:
        return moment if isinstance(moment, int) else None
    fraction, sign, hours, minutes = found.groups()[6:]
    try:
        local = datetime(*map(int, found.groups()[:6])) - datetime(1970, 1, 1)  # type: ignore[arg-type]
        ahead = time(int(hours or 0), int(minutes or 0))
    except ValueError:
        return None
    offset_s = (ahead.hour * 60 + ahead.minute) * (-60 if sign == "-" else 60)
    return ((local.days * 86_400 + local.seconds) - offset_s) * 1000 + int(f"{fraction or 0}00"[:3])


def _document(raw: bytes) -> tuple[tuple[str, object, int], ...]:
    """The members of the one object that a record is: name, value, and length in bytes."""
    if len(raw) > EVENT_BYTES_MAX:
        raise Unfit("too_large")
    try:
        text = raw.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise Unfit("not_utf8") from None
    if _depth(text) > DEPTH_MAX:
        raise Unfit("too_deep")
    reader = _Reader(text)
    document = reader.whole()
    if not isinstance(document, tuple):
        raise Unfit("not_an_object")
    if reader.has_huge_number:
        raise Unfit("out_of_range")
    return document


def _depth(text: str) -> int:
    """How deep brackets nest that stand outside of quotes, whatever else the text is."""
    steps = (1 if bracket in "{[" else -1 for bracket in _NO_BRACKET.sub("", _QUOTED.sub("", text)))
    return max(accumulate(steps), default=0)


class _Reader:
    """JSON text (RFC 8259), strictly. An object becomes a tuple of its members in their order, as
    often as they come; an array becomes a list."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.has_huge_number = False

    def whole(self) -> object:
        value = self._value()
        self._next_is("")
        return value if self._at == len(self._text) else _unfit("not_json")

    def _value(self) -> object:
        self._next_is("")
        match self._text[self._at : self._at + 1]:
            case "{":
                return tuple(self._members("}", self._member))
            case "[":
                return self._members("]", self._value)
            case '"':
                return self._string()
        for word, value in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        return self._number()

    def _members(self, closing: str, member: Callable[[], object]) -> list[object]:
        self._at += 1
        members: list[object] = []
        while not self._next_is(closing):
            if members and not self._next_is(","):
                raise Unfit("not_json")
            members.append(member())
        return members

    def _member(self) -> tuple[str, object, int]:
        self._next_is("")
        name = self._string()
        if not self._next_is(":"):
            raise Unfit("not_json")
        self._next_is("")
        start = self._at
        return name, self._value(), len(self._text[start : self._at].encode())

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise Unfit("not_json")
        self._at = found.end()
        return _ESCAPE.sub(_unescaped, found[1])

    def _number(self) -> int | float:
        found = _NUMBER.match(self._text, self._at)
        if found is None:
            raise Unfit("not_json")
        self._at = found.end()
        if found[1] is None and found[2] is None:
            is_huge = len(found[0]) > 20 or not INTEGER_MIN <= int(found[0]) <= INTEGER_MAX
            self.has_huge_number |= is_huge
            return 0 if is_huge else int(found[0])
        number = float(found[0])
        self.has_huge_number |= abs(number) == float("inf")
        return number

    def _next_is(self, character: str) -> bool:
        """Passes over white space, and over the character if it is next."""
        while self._text.startswith((" ", "\t", "\n", "\r"), self._at):
            self._at += 1
        is_next = self._text.startswith(character, self._at)
        self._at += len(character) * is_next
        return is_next


def _unescaped(escape: re.Match[str]) -> str:
    """The character of an escape, or of two that are a surrogate pair."""
    letters = escape[0]
    if letters[1] != "u":
        return _ESCAPED[letters[1]]
    code = int(letters[2:6], 16)
    if len(letters) == 12:
        return chr(0x10000 + (code - 0xD800) * 0x400 + int(letters[8:], 16) - 0xDC00)
    return chr(code) if not 0xD800 <= code < 0xE000 else _unfit("not_json")


def _unfit(reason: str) -> NoReturn:
    raise Unfit(reason)
