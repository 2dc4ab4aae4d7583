"""Applies a mapping to one line: the event that the line tells of, or why it tells of none."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from rtcdp.events.calendar import zone_of
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.sources.recorded.mapping import (
    EventTypeRule,
    Mapping,
    PropertyRule,
    TimestampRule,
    ValueRule,
)
from rtcdp.sources.recorded.template import Record, Template, compile_template, template_names
from rtcdp.sources.recorded.unmapped import Invalid, Unmapped
from rtcdp.sources.records import RecordReader, record_reader

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
TEXT_FIELDS = {
    "event_id": "eventId",
    "user_id": "userId",
    "session_id": "sessionId",
    "product_id": "productId",
    "page_url": "pageUrl",
}
"""What the text fields of a mapping are called on the wire."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXAMPLE = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECONDS_MAX = 1e12
_DOWN = Context(prec=50, rounding=ROUND_FLOOR)
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class MappedEvent(NamedTuple):
    """An event to be: its time (UTC ms), and its other wire members by their names. `is_wire_text`
    says that its line is one by itself."""

    timestamp_ms: int
    members: dict[str, Any]
    is_wire_text: bool = False


LineMapper = Callable[[bytes], MappedEvent | Unmapped]
"""Gives the event of one line (without line break), or why the line is none."""


def line_mapper(mapping: Mapping, columns: tuple[str, ...] = ()) -> LineMapper:
    """The function that applies `mapping`. For csv, `columns` are the file's."""
    if mapping.format == "events":
        return event_as_it_is
    read = record_reader(mapping, columns or mapping.columns)
    return _Recipe(mapping, read).event_of


class _Recipe:
    """A mapping's rules as functions of a record."""

    def __init__(self, mapping: Mapping, read: RecordReader) -> None:
        if mapping.fields is None or mapping.event_type is None or mapping.timestamp is None:
            raise ValueError("load mappings with load_mapping, which checks them")
        self._read = read
        self._texts: list[tuple[str, Template]] = []
        for field, name in TEXT_FIELDS.items():
            text = getattr(mapping.fields, field)
            if text is not None:
                self._texts.append((name, compile_template(text)))
        self._user = mapping.fields.user_id
        self._type = type_of(mapping.event_type)
        self._time = time_of(mapping.timestamp)
        self._value = value_of(mapping.value)
        self._properties = [(name, property_of(rule)) for name, rule in mapping.properties.items()]

    def event_of(self, line: bytes) -> MappedEvent | Unmapped:
        try:
            return self._event_of(self._read(line))
        except Invalid as invalid:
            return invalid.reason

    def _event_of(self, record: Record) -> MappedEvent:
        members: dict[str, Any] = {}
        for name, template in self._texts:
            text = template(record)
            if text is not None:
                members[name] = text
        if "userId" not in members:
            raise _absent(self._user, record, "the user's id")
        members["eventType"] = self._type(record)
        instant_ms = self._time(record)
        value = self._value(record, members["eventType"])
        if value is not None:
            members["value"] = value
        properties = {}
        for name, property_of in self._properties:
            content = property_of(record)
            if content is not None:
                properties[name] = content
        if properties:
            members["properties"] = properties
        return MappedEvent(instant_ms, members)


def event_as_it_is(line: bytes) -> MappedEvent | Unmapped:
    """The event of a line that is one already, in the wire format."""
    if not line.lstrip(b" \t\r").startswith(b"{"):
        shown = line[:200].decode(errors="backslashreplace")
        return Unmapped("", shown, "an event as JSON")
    event = decode(line)
    if isinstance(event, Rejection):
        return Unmapped("", None, event.message)
    members: dict[str, Any] = _decode_members(line)
    del members["timestamp"]
    if event.event_id is None:
        members.pop("eventId", None)
    return MappedEvent(event.timestamp_ms, members, is_wire_text=True)


def _absent(template: str, record: Record, expected: str) -> Invalid:
    """The first column that `template` names and `record` lacks."""
    lacking = [name for name in template_names(template) if not record.get(name)]
    return Invalid(lacking[0] if lacking else template, None, expected)


def type_of(rule: EventTypeRule) -> Callable[[Record], str]:
    """Gives a record's event type. It raises `Invalid` where there is none."""
    rules = [
        (compile_template(case.when), re.compile(case.matches), case.then) for case in rule.rules
    ]
    source = None if rule.source is None else compile_template(rule.source)
    default = None if rule.default is None else compile_template(rule.default)
    expected = "an event type"
    if rule.map:
        expected = f"one of {', '.join(sorted(rule.map))}"

    def event_type(record: Record) -> str:
        for when, pattern, then in rules:
            text = when(record)
            if text is not None and pattern.fullmatch(text):
                return then
        text = None if source is None else source(record)
        if text is not None and (text in rule.map or not rule.map):
            return rule.map.get(text, text)
        found = None if default is None else default(record)
        if found is not None:
            return found
        template = rule.source or rule.default or rule.rules[0].when
        if text is None:
            raise _absent(template, record, expected)
        raise Invalid(_column(template), text, expected)

    return event_type


def time_of(rule: TimestampRule) -> Callable[[Record], int]:
    """Gives a record's time (UTC ms). It raises `Invalid` where there is none."""
    source = compile_template(rule.source)
    readers = [_instant_reader(form, zone_of(rule.timezone)) for form in rule.formats]
    expected = " or ".join(map(_like, rule.formats))

    # Logs hold many lines of one second; parsing its text once is enough.
    @lru_cache(maxsize=4096)
    def instant_ms(text: str) -> int | None:
        for read in readers:
            try:
                return read(text)
            except (ValueError, OverflowError):
                continue
        return None

    def moment_of(record: Record) -> int:
        text = source(record)
        if text is None:
            raise _absent(rule.source, record, expected)
        instant = instant_ms(text)
        if instant is None:
            raise Invalid(_column(rule.source), text, expected)
        return instant

    return moment_of


def _instant_reader(form: str, zone: ZoneInfo) -> Callable[[str], int]:
    """Reads a time in one format, in UTC ms; raises `ValueError` for a text in another.

    A time without an offset is one of `zone`'s clocks. One that the clocks show twice, when they
    are set back, is the first of the two; one that they pass over, when they are put forward, is
    read as if they had not been.
    """

    def read(text: str) -> int:
        match form:
            case "epoch_ms":
                if not _INTEGER.fullmatch(text):
                    raise ValueError
                return int(text)
            case "epoch_s":
                if not _NUMBER.fullmatch(text):
                    raise ValueError
                return _floor_ms(text)
            case "iso":
                moment = datetime.fromisoformat(text)
            case _:
                moment = datetime.strptime(text, form)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone, fold=0)
        return (moment - _EPOCH) // _MILLISECOND

    return read


def _like(form: str) -> str:
    match form:
        case "epoch_ms":
            return "milliseconds since 1970"
        case "epoch_s":
            return "seconds since 1970"
        case "iso":
            return "a time like 2026-01-31T09:30:00Z"
        case _:
            return f"a time like {_EXAMPLE.strftime(form)}"


def value_of(rule: ValueRule | None) -> Callable[[Record, str], float | None]:
    """Gives the value of a record of an event type. It raises `Invalid` for no number."""
    if rule is None:
        return lambda _record, _event_type: None
    source = compile_template(rule.source)
    column = _column(rule.source)
    only_for = frozenset(rule.only_for)

    def amount_of(record: Record, event_type: str) -> float | None:
        if only_for and event_type not in only_for:
            return None
        text = source(record)
        return None if text is None else _number(column, text)

    return amount_of


def property_of(rule: str | PropertyRule) -> Callable[[Record], str | float | int | None]:
    """Gives a property of a record. It raises `Invalid` for no number."""
    template = rule if isinstance(rule, str) else rule.source
    source = compile_template(template)
    column = _column(template)
    kind = "text" if isinstance(rule, str) else rule.type
    if kind == "text":
        return source
    read = _number if kind == "number" else _integer

    def content_of(record: Record) -> float | int | None:
        text = source(record)
        return None if text is None else read(column, text)

    return content_of


def _floor_ms(seconds: str) -> int:
    """Milliseconds of a number of seconds, rounded down as all times are; a double would already
    have rounded it. Raises `OverflowError` for what is no time of ours."""
    if abs(float(seconds)) > _SECONDS_MAX:
        raise OverflowError
    return int(_DOWN.multiply(Decimal(seconds), Decimal(1000)).to_integral_value(ROUND_FLOOR))


def _column(template: str) -> str:
    """What to call a template: the one column in it, or all of it."""
    names = template_names(template)
    return names[0] if len(names) == 1 else template


def _number(column: str, text: str) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else float("inf")
    if number in (float("inf"), float("-inf")):
        raise Invalid(column, text, "a number like 12.50")
    return number


def _integer(column: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise Invalid(column, text, "a whole number")
    return int(text)
