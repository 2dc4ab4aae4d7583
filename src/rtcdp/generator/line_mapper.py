"""Applies a mapping to one line: the event that the line tells of, or None."""

import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.generator.mapping import (
    EventTypeRule,
    Mapping,
    PropertyRule,
    TimestampRule,
    ValueRule,
)
from rtcdp.generator.template import Record, Template, compile_template

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_FIELDS = {
    "event_id": "eventId",
    "user_id": "userId",
    "session_id": "sessionId",
    "product_id": "productId",
    "page_url": "pageUrl",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECONDS_MAX = 1e12
_DOWN = Context(prec=50, rounding=ROUND_FLOOR)
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class MappedEvent(NamedTuple):
    """An event to be: its time (UTC ms), and its other wire members by their names."""

    timestamp_ms: int
    members: dict[str, Any]


LineMapper = Callable[[bytes], MappedEvent | None]
"""Gives the event of one line (without line break), or None if the line is none."""

RecordReader = Callable[[bytes], Record | None]


def line_mapper(mapping: Mapping, columns: tuple[str, ...] = ()) -> LineMapper:
    """The function that applies `mapping`. For csv, `columns` are the file's."""
    if mapping.format == "events":
        return event_as_it_is
    read = _record_reader(mapping, columns or mapping.columns)
    return _Recipe(mapping, read).event_of


def csv_row(line: bytes, delimiter: str) -> list[str] | None:
    """The texts of one CSV row (RFC 4180 quoting), or None if it is no such row."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None
    if '"' not in text:
        return text.split(delimiter)
    try:
        rows = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


class _Invalid(Exception):
    """A column's text is not what its rule asks for."""


class _Recipe:
    """A mapping's rules as functions of a record."""

    def __init__(self, mapping: Mapping, read: RecordReader) -> None:
        if mapping.fields is None or mapping.event_type is None or mapping.timestamp is None:
            raise ValueError("load mappings with load_mapping, which checks them")
        self._read = read
        self._texts: list[tuple[str, Template]] = []
        for field, name in _FIELDS.items():
            text = getattr(mapping.fields, field)
            if text is not None:
                self._texts.append((name, compile_template(text)))
        self._type = _type_of(mapping.event_type)
        self._time = _time_of(mapping.timestamp)
        self._value = _value_of(mapping.value)
        self._properties = [(name, _property_of(rule)) for name, rule in mapping.properties.items()]

    def event_of(self, line: bytes) -> MappedEvent | None:
        record = self._read(line)
        if record is None:
            return None
        event_type = self._type(record)
        instant_ms = self._time(record)
        members: dict[str, Any] = {}
        for name, template in self._texts:
            text = template(record)
            if text is not None:
                members[name] = text
        if event_type is None or instant_ms is None or "userId" not in members:
            return None
        members["eventType"] = event_type
        try:
            self._add_the_rest(members, record)
        except _Invalid:
            return None
        return MappedEvent(instant_ms, members)

    def _add_the_rest(self, members: dict[str, Any], record: Record) -> None:
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


def event_as_it_is(line: bytes) -> MappedEvent | None:
    """The event of a line that is one already, in the wire format."""
    if not line.lstrip(b" \t\r").startswith(b"{"):
        return None
    event = decode(line)
    if isinstance(event, Rejection):
        return None
    members: dict[str, Any] = _decode_members(line)
    del members["timestamp"]
    if event.event_id is None:
        members.pop("eventId", None)
    return MappedEvent(event.timestamp_ms, members)


def _record_reader(mapping: Mapping, columns: tuple[str, ...]) -> RecordReader:
    absent = frozenset(mapping.empty)
    names = mapping.names()
    match mapping.format:
        case "csv":
            rows = _csv_reader(columns, mapping.delimiter)
        case "regex":
            rows = _regex_reader(re.compile(mapping.pattern or ""))
        case _:
            rows = _json_reader(names)
    if absent <= {""}:
        return rows

    def without_absent(line: bytes) -> Record | None:
        record = rows(line)
        if record is None:
            return None
        return {name: record[name] for name in names if record.get(name, "") not in absent}

    return without_absent


def _csv_reader(columns: tuple[str, ...], delimiter: str) -> RecordReader:
    width = len(columns)

    def read(line: bytes) -> Record | None:
        row = csv_row(line, delimiter)
        if row is None or len(row) != width:
            return None
        return dict(zip(columns, row, strict=True))

    return read


def _regex_reader(pattern: re.Pattern[str]) -> RecordReader:
    def read(line: bytes) -> Record | None:
        try:
            found = pattern.fullmatch(line.decode())
        except UnicodeDecodeError:
            return None
        return None if found is None else found.groupdict("")

    return read


def _json_reader(names: frozenset[str]) -> RecordReader:
    paths = {name: name.split(".") for name in names}

    def read(line: bytes) -> Record | None:
        try:
            content = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        if not isinstance(content, dict):
            return None
        return {name: _text_at(content, path) for name, path in paths.items()}

    return read


def _text_at(content: object, path: list[str]) -> str:
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    if content is None:
        return ""
    return content if isinstance(content, str) else json.dumps(content)


def _type_of(rule: EventTypeRule) -> Template:
    rules = [
        (compile_template(case.when), re.compile(case.matches), case.then) for case in rule.rules
    ]
    source = None if rule.source is None else compile_template(rule.source)
    default = None if rule.default is None else compile_template(rule.default)

    def event_type(record: Record) -> str | None:
        for when, pattern, then in rules:
            text = when(record)
            if text is not None and pattern.fullmatch(text):
                return then
        if source is not None:
            text = source(record)
            if text is not None and (text in rule.map or not rule.map):
                return rule.map.get(text, text)
        return None if default is None else default(record)

    return event_type


def _time_of(rule: TimestampRule) -> Callable[[Record], int | None]:
    source = compile_template(rule.source)
    zone = ZoneInfo(rule.timezone)

    # Logs hold many lines of one second; parsing its text once is enough.
    @lru_cache(maxsize=4096)
    def instant_ms(text: str) -> int | None:
        try:
            match rule.format:
                case "epoch_ms":
                    return int(text) if _INTEGER.fullmatch(text) else None
                case "epoch_s":
                    return _floor_ms(text) if _NUMBER.fullmatch(text) else None
                case "iso":
                    moment = datetime.fromisoformat(text)
                case form:
                    moment = datetime.strptime(text, form)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=zone)
            return (moment - _EPOCH) // _MILLISECOND
        except (ValueError, OverflowError):
            return None

    def time_of(record: Record) -> int | None:
        text = source(record)
        return None if text is None else instant_ms(text)

    return time_of


def _value_of(rule: ValueRule | None) -> Callable[[Record, str], float | None]:
    if rule is None:
        return lambda _record, _event_type: None
    source = compile_template(rule.source)
    only_for = frozenset(rule.only_for)

    def value_of(record: Record, event_type: str) -> float | None:
        if only_for and event_type not in only_for:
            return None
        text = source(record)
        return None if text is None else _number(text)

    return value_of


def _property_of(rule: str | PropertyRule) -> Callable[[Record], str | float | int | None]:
    source = compile_template(rule if isinstance(rule, str) else rule.source)
    kind = "text" if isinstance(rule, str) else rule.type
    if kind == "text":
        return source
    read = _number if kind == "number" else _integer

    def content_of(record: Record) -> float | int | None:
        text = source(record)
        return None if text is None else read(text)

    return content_of


def _floor_ms(seconds: str) -> int:
    """Milliseconds of a number of seconds, rounded down as all times are; a double would already
    have rounded it. Raises `OverflowError` for what is no time of ours."""
    if abs(float(seconds)) > _SECONDS_MAX:
        raise OverflowError
    return int(_DOWN.multiply(Decimal(seconds), Decimal(1000)).to_integral_value(ROUND_FLOOR))


def _number(text: str) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else float("inf")
    if number in (float("inf"), float("-inf")):
        raise _Invalid
    return number


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise _Invalid
    return int(text)
