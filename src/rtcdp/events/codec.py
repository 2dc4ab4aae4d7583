"""From a record's bytes to an event, or to the reason why it is none. One verdict for all paths.

JSON libraries disagree on the last of two equal keys, NaN, 1e999, lone surrogates, invalid UTF-8,
huge integers and deep nesting. `decode` is the exact rule, one record at a time. `is_clean` checks
a whole batch at once; it may say no to a good batch, and never says yes to a bad one. What either
of them accepts, the columnar decoder reads as the same values.
"""

import json
import re
from collections.abc import Iterator, Sequence, Set
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET

from rtcdp.events import event as rules
from rtcdp.events.dead_letter import DeadLetterReason, Rejection
from rtcdp.events.event import CustomerActivityEvent, EventOnTheWire, KnownFieldsOnly, Moment
from rtcdp.events.faults import OUT_OF_YEARS, faults_of

T = TypeVar("T")

_MAX_REASON_LENGTH = 1_000
_CUT_LENGTH = 8_192
"""So many characters with a reason, however they are escaped, are shorter than an event may be."""
_PIECE_BYTES = 256 * 1024
"""What is decoded at once: objects take some 24 times the room of their text."""


class UnmappedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes in the place of a line that a mapping makes no event of: why, and the line."""

    unmapped: Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_REASON_LENGTH)]
    line: str


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KNOWN_FIELDS = frozenset(field.encode_name for field in msgspec.structs.fields(EventOnTheWire))
_LONG_NUMBER = re.compile(rb"\d{19}")
_LONG_RUN = b"0" * 19
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
LINE_BREAK = ord("\n")
_QUOTE, _OPENING, _CLOSING = b'"{}'
_SHORT_BYTES = 4_096
_NUMBER_MESSAGE = "send numbers that fit a double, and integers that fit 64 bits"
_FIELD_IN_ERROR = re.compile(r"`\$\.(\w+)")
_BEYOND_MICROSECONDS = re.compile(r"(\.\d{6})\d+")
_STRING_OR_NUMBER = re.compile(
    rb'"(?:[^"\\]|\\.)*"|-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?', re.DOTALL
)

_decode_event = msgspec.json.Decoder(EventOnTheWire[str]).decode
_decode_unmapped = msgspec.json.Decoder(UnmappedLine).decode
_decode_anything = msgspec.json.Decoder().decode
_decode_any_lines = msgspec.json.Decoder().decode_lines
_decode_clean_lines = msgspec.json.Decoder(KnownFieldsOnly).decode_lines
_encode = msgspec.json.Encoder().encode


def decode(record: bytes) -> CustomerActivityEvent | Rejection:
    """Decode one record, strictly.

    `record` is the JSON text of one object, at most `MAX_EVENT_BYTES` long. Returns the event, or
    a `Rejection` that names the reason and says what to send instead. Raises nothing.
    """
    unreadable = why_unreadable(record)
    if unreadable is not None:
        return unreadable
    try:
        wire = _decode_event(record)
    except msgspec.ValidationError as error:
        return _why_unmapped(record) or _invalid(record, reason_for(str(error)))
    if has_field_twice(record, wire, _KNOWN_FIELDS):
        return _parse("duplicate_key", "a field of the event appears twice; send each field once")
    verdict = _validated(wire)
    return _invalid(record, verdict) if isinstance(verdict, str) else verdict


def unmapped_line(why: str, line: bytes) -> bytes:
    """What comes in the place of a line that no event can be made of, for `decode` to reject as
    `not_mapped` with the text `why`. It holds the line, or its beginning where the whole would be
    longer than an event may be; U+FFFD stands there for bytes that are no UTF-8.

    Never the line itself: that may be an event, or several, of what it only seems to hold."""
    text = line.decode(errors="replace")
    return _explained(why, text) or _encode(_unmapped(why, text[:_CUT_LENGTH]))


def whole_unmapped_line(why: str, line: bytes) -> bytes | None:
    """The same with the whole line, as it came; None where that can't be."""
    try:
        return _explained(why, line.decode())
    except UnicodeDecodeError:
        return None


def _explained(why: str, text: str) -> bytes | None:
    explained = _encode(_unmapped(why, text))
    return explained if len(explained) <= rules.MAX_EVENT_BYTES else None


def _unmapped(why: str, text: str) -> UnmappedLine:
    return UnmappedLine(why[:_MAX_REASON_LENGTH].encode(errors="replace").decode(), text)


def decode_all(records: Sequence[bytes]) -> list[CustomerActivityEvent | Rejection]:
    """What `decode` says of each record; several times as fast where all of them are clean."""
    events: list[KnownFieldsOnly] = []
    together = b"\n".join(records)
    # A record may be empty, and be passed over, while another holds two lines.
    is_sure = together.count(b"\n") == len(records) - 1
    is_sure = is_sure and not _BEYOND_MICROSECONDS.search(together.decode("utf-8", "replace"))
    if is_sure and is_clean(together, events) and len(events) == len(records):
        return [_event_of(event) for event in events]
    return [decode(record) for record in records]


def is_clean(
    lines: bytes,
    events: list[KnownFieldsOnly] | None = None,
    times: list[datetime | int] | None = None,
) -> bool:
    """True only if every line of `lines` is an event that `decode` accepts.

    `lines` is NDJSON; the last line may end with or without a newline. False means: look at each
    line with `decode`. When `events` is given, the decoded wire events are appended to it, and
    their times to `times`.
    """
    if b"\\" in lines or b"\r" in lines or not is_utf8(lines):
        return False
    try:
        decoded = _decode_clean_lines(lines)
    except (msgspec.DecodeError, RecursionError):
        return False
    body = lines.removesuffix(b"\n")
    if not _are_lines(body, len(decoded)):
        return False
    if count_of(_QUOTE, body) != count_of(_QUOTE, _encode(decoded)):
        return False
    timestamps = [event.timestamp for event in decoded]
    if not _are_plain(decoded, timestamps):
        return False
    if events is not None:
        events.extend(decoded)
    if times is not None:
        times.extend(timestamps)
    return True


def timestamp_ms(timestamp: datetime) -> int:
    """UTC milliseconds of a moment, rounded down."""
    since_epoch = timestamp - _EPOCH
    return (
        since_epoch.days * 86_400 + since_epoch.seconds
    ) * 1000 + since_epoch.microseconds // 1000


def parse_timestamp_ms(text: str) -> int:
    """UTC milliseconds of an ISO-8601 timestamp with offset, rounded down, however many digits its
    second has.

    Raises `msgspec.ValidationError` when `text` is none.
    """
    # The parser rounds to microseconds, which may end in the next millisecond.
    return timestamp_ms(msgspec.convert(_BEYOND_MICROSECONDS.sub(r"\1", text), rules.Instant))


def _instant_of(timestamp: str | int) -> int:
    return timestamp if isinstance(timestamp, int) else parse_timestamp_ms(timestamp)


def _are_plain(events: list[KnownFieldsOnly], timestamps: Sequence[datetime | int]) -> bool:
    """True if what the type checks leave open holds for events without escapes in them."""
    if not all(map(_is_event_type, {event.event_type for event in events})):
        return False
    if not _are_plain_instants(timestamps):
        return False
    properties = [event.properties for event in events if event.properties is not UNSET]
    return not properties or _are_plain_properties(b"\n".join(properties), len(properties))


def _is_event_type(text: str) -> bool:
    return rules.EVENT_TYPE.fullmatch(text) is not None


def _are_plain_instants(timestamps: Sequence[datetime | int]) -> bool:
    """True if all are surely in range. The first and the last of them tell, where they are alike;
    of a year that their offsets may shift, the range leaves one at both ends."""
    try:
        ends = [min(timestamps), max(timestamps)] if timestamps else []
    except TypeError:  # some are integers, and some are not
        ends = list(timestamps)
    return all(map(_is_plain_instant, ends))


def _is_plain_instant(timestamp: datetime | int) -> bool:
    """True if surely in range; the years at both ends are left to the exact rule."""
    if isinstance(timestamp, int):
        return timestamp_in_range(timestamp)
    return 2 < timestamp.year < 9998


def _are_plain_properties(lines: bytes, count: int) -> bool:
    """True if each of the lines, which are UTF-8 and JSON, is an object that `properties` may be;
    all of them are looked at in one go."""
    if not lines.startswith(b"{") or lines.count(b"\n{") != count - 1:
        return False
    if (
        len(lines) > rules.MAX_PROPERTIES_BYTES
        and _longest_line(lines) > rules.MAX_PROPERTIES_BYTES
    ):
        return False
    is_nested = b"[" in lines or lines.count(b"{") != count
    if is_nested and any(_is_too_deep(line, rules.MAX_NESTING - 1) for line in lines.split(b"\n")):
        return False
    return all(map(_are_plain_numbers, pieces(lines)))


def _are_plain_numbers(lines: bytes) -> bool:
    """Whether every number in these lines can be one; the decoder of events has passed it over."""
    try:
        _decode_any_lines(lines)
    except (msgspec.DecodeError, RecursionError):
        return False
    return not _has_long_number(lines) or not any(
        _has_long_number(line) and _has_integer_out_of_range(line) for line in lines.split(b"\n")
    )


def pieces(lines: bytes) -> Iterator[bytes]:
    """The same lines, some at a time: what is decoded at once then."""
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start + _PIECE_BYTES) + 1 or len(lines)
        yield lines[start:end]
        start = end


def _validated(wire: EventOnTheWire[str]) -> CustomerActivityEvent | DeadLetterReason:
    if not _is_event_type(wire.event_type):
        return "invalid_event_type"
    try:
        instant = _instant_of(wire.timestamp)
    except msgspec.ValidationError:
        return "invalid_timestamp"
    if not timestamp_in_range(instant):
        return "invalid_timestamp"
    texts = (
        wire.user_id,
        _present(wire.event_id),
        _present(wire.session_id),
        _present(wire.product_id),
        _present(wire.page_url),
    )
    if any(text is not None and "\0" in text for text in texts):
        return "invalid_character"
    properties = None if wire.properties is UNSET else bytes(wire.properties)
    if properties is not None:
        rejected = _why_properties_rejected(properties)
        if rejected is not None:
            return rejected
    return _valid(wire, instant)


def _event_of(event: KnownFieldsOnly) -> CustomerActivityEvent:
    moment = event.timestamp
    return _valid(event, moment if isinstance(moment, int) else timestamp_ms(moment))


def _valid(wire: EventOnTheWire[Moment], instant: int) -> CustomerActivityEvent:
    properties = None if wire.properties is UNSET else bytes(wire.properties)
    return CustomerActivityEvent(
        user_id=wire.user_id,
        timestamp_ms=instant,
        event_type=wire.event_type,
        event_id=_present(wire.event_id),
        session_id=_present(wire.session_id),
        product_id=_present(wire.product_id),
        page_url=_present(wire.page_url),
        value=_amount(wire.value),
        properties=None if properties == b"null" else properties,
    )


def why_unreadable(record: bytes) -> Rejection | None:
    """The reason why `record` is not JSON that every reader of the log agrees on, if it is not."""
    if len(record) > rules.MAX_EVENT_BYTES:
        return _parse("too_large", f"an event may be {rules.MAX_EVENT_BYTES} bytes long at most")
    if not is_utf8(record):
        return _parse("not_utf8", "send UTF-8")
    if _is_too_deep(record, rules.MAX_NESTING):
        return _parse("too_deep", f"nest objects and arrays at most {rules.MAX_NESTING} deep")
    try:
        not_an_object = _why_not_an_object(record)
    except msgspec.ValidationError:
        # A number is out of range; but what is no JSON, or no object, is that first.
        not_an_object = _why_not_an_object(_STRING_OR_NUMBER.sub(_without_number, record))
        return not_an_object or _parse("out_of_range", _NUMBER_MESSAGE)
    if not_an_object is not None:
        return not_an_object
    if _LONG_NUMBER.search(record) and _has_integer_out_of_range(record):
        return _parse("out_of_range", _NUMBER_MESSAGE)
    return None


def _why_not_an_object(text: bytes) -> Rejection | None:
    """Raises `msgspec.ValidationError` when a number is out of range."""
    try:
        anything = _decode_anything(text)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return _parse("not_json", f"send one JSON object: {error}")
    if not isinstance(anything, dict):
        return _parse("not_an_object", "send each event as a JSON object")
    return None


def _why_unmapped(record: bytes) -> Rejection | None:
    """What a replay says of a line that its mapping makes no event of, if that is such a one."""
    if not record.startswith(b'{"unmapped":'):
        return None
    try:
        return _parse("not_mapped", _decode_unmapped(record).unmapped)
    except msgspec.ValidationError:
        return None


def _without_number(token: re.Match[bytes]) -> bytes:
    return token[0] if token[0].startswith(b'"') else b"0 "


def _why_properties_rejected(raw: bytes) -> DeadLetterReason | None:
    if raw == b"null":
        return None
    if not raw.startswith(b"{"):
        return "wrong_type"
    return "too_large" if len(raw) > rules.MAX_PROPERTIES_BYTES else None


def has_field_twice(record: bytes, wire: msgspec.Struct, known: Set[str]) -> bool:
    """Whether one of the `known` fields of an object, decoded as `wire`, stands in it twice.

    Exact; the parse that keeps all pairs is needed only where quotes don't tell."""
    if b"\\" not in record and record.count(b'"') == _encode(wire).count(b'"'):
        return False
    objects: list[list[tuple[str, object]]] = []
    json.loads(record, object_pairs_hook=objects.append, parse_int=float)
    keys = [key for key, _ in objects[-1] if key in known]
    return len(keys) != len(set(keys))


def _is_too_deep(record: bytes, most: int) -> bool:
    if record.count(b"{") + record.count(b"[") <= most:
        return False
    depth = deepest = 0
    in_string = escaped = False
    for byte in record:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest > most


def _has_integer_out_of_range(record: bytes) -> bool:
    """Looks at the text: of a key that comes twice, a decoded object holds one value only."""
    return any(
        not (token[0].startswith(b'"') or token[1] or token[2])
        and not rules.MIN_INTEGER <= int(token[0]) <= rules.MAX_INTEGER
        for token in _STRING_OR_NUMBER.finditer(record)
    )


def _has_long_number(text: bytes) -> bool:
    """What `_LONG_NUMBER` finds, in a fraction of the time."""
    return _LONG_RUN in text.translate(_DIGITS_ALIKE)


def count_of(character: int, text: bytes) -> int:
    """How often an ASCII character stands in a text; in a long one it may be too often to search
    for each."""
    if len(text) < _SHORT_BYTES:
        return text.count(character)
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == character))


def _are_lines(body: bytes, count: int) -> bool:
    """True if these are so many lines, the last without its end, each an object from its first
    character to its last, and none longer than an event may be."""
    if len(body) < _SHORT_BYTES:
        return body.count(b"\n") == body.count(b"}\n{") == count - 1
    characters = np.frombuffer(body, np.uint8)
    breaks = np.flatnonzero(characters == LINE_BREAK)
    if len(breaks) != count - 1 or body.startswith(b"\n") or body.endswith(b"\n"):
        return False
    is_between = (characters[breaks - 1] == _CLOSING) & (characters[breaks + 1] == _OPENING)
    lengths = np.diff(breaks, prepend=-1, append=len(body)) - 1
    return bool(is_between.all()) and int(lengths.max()) <= rules.MAX_EVENT_BYTES


def is_utf8(text: bytes) -> bool:
    """Whether a text can be read as UTF-8."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _longest_line(lines: bytes) -> int:
    return max(map(len, lines.split(b"\n")))


def timestamp_in_range(instant: int) -> bool:
    """Whether an event may have this time (UTC ms)."""
    return rules.MIN_TIMESTAMP_MS <= instant <= rules.MAX_TIMESTAMP_MS


def _present(value: T | msgspec.UnsetType | None) -> T | None:
    return None if value is UNSET else value


def _amount(value: float | msgspec.UnsetType | None) -> float | None:
    """Without the sign of zero, which would make minima depend on the order of events."""
    return None if value is UNSET or value is None else value + 0.0


def reason_for(message: str) -> DeadLetterReason:
    """Turn the decoder's message into a reason from the closed list."""
    field = _FIELD_IN_ERROR.search(message)
    if "missing required field" in message:
        return "missing_field"
    if field is not None and field.group(1) in ("timestamp", "validFrom"):
        return "invalid_timestamp"
    if "length" in message or "out of range" in message or ">=" in message or "<=" in message:
        return "out_of_range"
    return "wrong_type"


def _invalid(record: bytes, reason: DeadLetterReason) -> Rejection:
    """The verdict for an object that is no event: one reason, and every fault in the message."""
    return Rejection(reason, "validate", "; ".join(faults_of(record)) or OUT_OF_YEARS)


def _parse(reason: DeadLetterReason, message: str) -> Rejection:
    return Rejection(reason, "parse", message)
