"""Mappings: how a line of a recorded file becomes an event. Data, read from TOML.

The built-in ones are files next to this module and are loaded as a user's own are.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Literal, get_args

import msgspec

from rtcdp.errors import PartMissing, UsageError, did_you_mean
from rtcdp.events.calendar import zone_of
from rtcdp.events.event import EVENT_TYPE
from rtcdp.sources.recorded.template import template_names

_Format = Literal["csv", "ndjson", "regex", "events"]
_Kind = Literal["text", "number", "integer"]
_BUILT_IN = resources.files("rtcdp.sources.recorded") / "mappings"
_UNKNOWN_MEMBER = re.compile(r"unknown field `(.*?)`(?: - at `\$\.?(.*)`)?")
_UNKNOWN_WORD = re.compile(r"Invalid enum value '(.*?)' - at `.*\.(\w+)`")
_NAMED_FORMATS = ("iso", "epoch_s", "epoch_ms")


class Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Templates of the event's text fields. An absent column makes an absent field; a line
    without a user is no event. Without `event_id` each line gets an id of its own."""

    user_id: str
    event_id: str | None = None
    session_id: str | None = None
    product_id: str | None = None
    page_url: str | None = None


class TypeRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"when": "if"}):
    """`then` is the event type if the template `when` gives a text that `matches` as a whole."""

    when: str
    matches: str
    then: str


class EventTypeRule(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}
):
    """The event's type: the first of `rules` that holds, else what `map` says of the template
    `source`, else the template `default`; else the line is no event."""

    rules: tuple[TypeRule, ...] = ()
    source: str | None = None
    map: dict[str, str] = {}
    default: str | None = None


class TimestampRule(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}
):
    """The event's time. `format` is `iso`, `epoch_s`, `epoch_ms` or a `strptime` format, or several
    of them, the first that fits; a time without an offset is in `timezone`."""

    source: str
    format: str | tuple[str, ...] = "iso"
    timezone: str = "UTC"

    @property
    def formats(self) -> tuple[str, ...]:
        """All of them."""
        return (self.format,) if isinstance(self.format, str) else self.format


class ValueRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """The event's value, for the event types `only_for` (none named: for all)."""

    source: str
    only_for: tuple[str, ...] = ()


class PropertyRule(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}
):
    """One property: a template, and what its text is to be read as."""

    source: str
    type: _Kind = "text"


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the lines of a file become events.

    `format`: `csv`, `ndjson` (columns are members, inner ones with dots: `user.id`), `regex`
    (columns are the named groups of `pattern`, which must match the whole line) or `events`
    (already events; nothing else is needed then). For csv: `delimiter`, and either the first line
    names the columns (`header`) or `columns` does. A column whose text is in `empty` is absent.
    With `unescape`, texts of a regex are read as web servers write them: `\\"` is a quote.
    """

    format: _Format
    pattern: str | None = None
    unescape: bool = False
    delimiter: str = ","
    header: bool = True
    columns: tuple[str, ...] = ()
    empty: tuple[str, ...] = ("",)
    fields: Fields | None = None
    event_type: EventTypeRule | None = None
    timestamp: TimestampRule | None = None
    value: ValueRule | None = None
    properties: dict[str, str | PropertyRule] = {}

    def templates(self) -> Iterator[str]:
        """Every template in it."""
        if self.fields is not None:
            yield from filter(None, msgspec.structs.astuple(self.fields))
        if self.event_type is not None:
            yield from (rule.when for rule in self.event_type.rules)
            yield from filter(None, (self.event_type.source, self.event_type.default))
        for rule in (self.timestamp, self.value, *self.properties.values()):
            if isinstance(rule, str):
                yield rule
            elif rule is not None:
                yield rule.source

    def names(self) -> frozenset[str]:
        """Every column that it needs."""
        return frozenset(name for text in self.templates() for name in template_names(text))


def built_in_mappings() -> tuple[str, ...]:
    """The names of the mappings that come with rtcdp."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _BUILT_IN.iterdir()))


def load_mapping(name: str) -> Mapping:
    """The mapping of that name, or of the TOML file at that path (it ends in .toml).

    Raises `PartMissing` if there is none, `UsageError` if the file is no valid mapping.
    """
    if name in built_in_mappings():
        return parse_mapping((_BUILT_IN / f"{name}.toml").read_text(), name)
    path = Path(name)
    if path.suffix != ".toml":
        raise UsageError(
            f"there is no mapping {name!r}",
            f"{did_you_mean(name, built_in_mappings())}name one of "
            f"{', '.join(built_in_mappings())}, or a file that ends in .toml",
        )
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise PartMissing(
            f"the mapping {name} can't be read: {why}", "name a TOML file that exists"
        ) from error
    return parse_mapping(text, name)


def parse_mapping(toml: str, name: str) -> Mapping:
    """The mapping that a TOML text describes; `name` is for messages.

    Raises `UsageError` if it is not valid: it names the member that is wrong.
    """
    try:
        mapping = msgspec.toml.decode(toml, type=Mapping)
        _check(mapping)
    except (msgspec.DecodeError, ValueError, re.error, UsageError) as error:
        raise UsageError(f"the mapping {name} is not valid: {error}", _mend(error)) from error
    return mapping


def _mend(error: Exception) -> str:
    """What to do about a mapping that is not valid."""
    if isinstance(error, UsageError):
        return error.hint
    example = f"an example is {_BUILT_IN / 'rees46.toml'}"
    unknown = _UNKNOWN_MEMBER.search(str(error))
    if unknown:
        wrong, place = unknown.groups()
        known = _members(re.sub(r"\[.*", "", place or ""))
        return f"{did_you_mean(wrong, known)}what may stand there: {', '.join(known)}; {example}"
    word = _UNKNOWN_WORD.search(str(error))
    if word:
        known = get_args(_Format if word[2] == "format" else _Kind)
        return f"{did_you_mean(word[1], known)}give one of: {', '.join(known)}"
    return f"correct the file; {example}"


def _members(place: str) -> tuple[str, ...]:
    """What the part of a mapping at that place may hold."""
    parts: dict[str, type[msgspec.Struct]] = {
        "": Mapping,
        "fields": Fields,
        "event_type": EventTypeRule,
        "event_type.rules": TypeRule,
        "timestamp": TimestampRule,
        "value": ValueRule,
        "properties": PropertyRule,
    }
    return tuple(field.encode_name for field in msgspec.structs.fields(parts[place]))


def _check(mapping: Mapping) -> None:
    """Raises `ValueError` (or what compiling a pattern or opening a time zone raises)."""
    if mapping.format == "events":
        if mapping != Mapping(format="events"):
            raise ValueError('with format = "events" there is nothing else to say')
        return
    if mapping.fields is None or mapping.timestamp is None or mapping.event_type is None:
        raise ValueError("it needs [fields], [timestamp] and [event_type]")
    _check_timestamp(mapping.timestamp)
    _check_event_type(mapping.event_type)
    names = mapping.names()
    known = _known_columns(mapping)
    if known and not names <= known:
        raise ValueError(f"there is no column {', '.join(sorted(names - known))}")


def _check_timestamp(rule: TimestampRule) -> None:
    zone_of(rule.timezone)
    if not rule.formats:
        raise ValueError("timestamp.format names no format")
    for form in rule.formats:
        if form not in _NAMED_FORMATS and ("%" not in form or not _is_read(form)):
            known = ", ".join(_NAMED_FORMATS)
            raise UsageError(
                f"timestamp.format can't be {form!r}",
                f"{did_you_mean(form, _NAMED_FORMATS)}give {known}, or the places of its parts, "
                'like "%d.%m.%Y %H:%M"',
            )


def _is_read(form: str) -> bool:
    """Whether `strptime` knows each part of a format, and has none twice."""
    try:
        datetime.strptime("", form)
    except re.error:
        return False
    except ValueError as error:
        # That a format is none is told apart only in words from a time that is another one.
        return str(error).startswith("time data")
    return True


def _check_event_type(rule: EventTypeRule) -> None:
    types = [*rule.map.values(), *(type_rule.then for type_rule in rule.rules)]
    for event_type in types:
        if not EVENT_TYPE.fullmatch(event_type):
            raise ValueError(f"{event_type!r} is no event type, those are like PAGE_VIEW")
    for type_rule in rule.rules:
        re.compile(type_rule.matches)
    if rule.map and rule.source is None:
        raise ValueError("event_type.map needs event_type.from")
    if not rule.rules and rule.source is None and rule.default is None:
        raise ValueError("event_type needs rules, from or default")


def _known_columns(mapping: Mapping) -> frozenset[str]:
    """The columns that lines can have, as far as the mapping says; empty if it doesn't."""
    if (mapping.format == "regex") != (mapping.pattern is not None):
        raise ValueError('pattern belongs to format = "regex", and is needed there')
    if mapping.unescape and mapping.format != "regex":
        raise ValueError('unescape belongs to format = "regex"')
    if mapping.pattern is not None:
        return frozenset(re.compile(mapping.pattern).groupindex)
    if mapping.format == "csv":
        if len(mapping.delimiter) != 1 or mapping.delimiter in '"\r\n':
            raise ValueError("delimiter must be one character, and no quote or line break")
        if not mapping.header and not mapping.columns:
            raise ValueError("without a header line, columns must name the columns")
        if mapping.header and mapping.columns:
            raise ValueError("with a header line, leave out columns: the header names them")
        return frozenset(mapping.columns)
    return frozenset()
