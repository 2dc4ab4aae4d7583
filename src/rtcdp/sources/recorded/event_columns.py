"""Applies a mapping to columns: the events that many lines tell of, as JSON text.

What is written here of a line is, byte for byte, what `rtcdp.sources.recorded.line_mapper` makes of
that line by itself; its rules are called once for each different text. Whatever the strict rule
(`rtcdp.events.codec`) might say no to is left out, for that.
"""

import re
from collections.abc import Callable, Sequence
from string import Formatter
from typing import Any

import msgspec
import polars as pl
from msgspec.structs import replace

from rtcdp.events import event as limits
from rtcdp.events.codec import timestamp_in_range
from rtcdp.sources.recorded.line_mapper import (
    TEXT_FIELDS,
    property_of,
    time_of,
    type_of,
    value_of,
)
from rtcdp.sources.recorded.mapping import Mapping
from rtcdp.sources.recorded.template import template_names
from rtcdp.sources.recorded.unmapped import Invalid
from rtcdp.sources.recorded.wire_time import wire_timestamp

_LENGTHS = {
    "eventId": (1, 100),
    "userId": (1, 256),
    "sessionId": (0, 256),
    "productId": (0, 256),
    "pageUrl": (0, 2048),
}
"""The fewest and the most characters that are written here, as the wire format has them."""

_ANY_LENGTH = (0, limits.MAX_PROPERTIES_BYTES)
_ESCAPED = r'["\\\x00-\x1f]'
_TO_ESCAPE = re.compile(_ESCAPED)
_KNOWN_MAX = 100_000
_NOTHING, _NONE = pl.Series([""]), pl.Series([None], dtype=pl.String)
_encode = msgspec.json.Encoder().encode


class EventColumns:
    """Writes the events of lines that are given in columns, by a mapping."""

    def __init__(self, mapping: Mapping) -> None:
        if mapping.fields is None or mapping.event_type is None or mapping.timestamp is None:
            raise ValueError("load mappings with load_mapping, which checks them")
        self._texts = {
            name: text
            for field, name in TEXT_FIELDS.items()
            if (text := getattr(mapping.fields, field)) is not None
        }
        self._mapping = mapping
        rule = mapping.event_type
        read_type = type_of(rule)
        sources = [*(case.when for case in rule.rules), rule.source, rule.default]
        self._type = _Distinct(_names_in(sources), lambda row: _valid_type(read_type(row)))
        read_time = time_of(mapping.timestamp)
        self._time = _Distinct(
            _names_in([mapping.timestamp.source]), lambda row: _time_member(read_time(row))
        )
        self._value: _Distinct | None = None
        if mapping.value is not None:
            read_value = value_of(replace(mapping.value, only_for=()))
            self._value = _Distinct(
                _names_in([mapping.value.source]), lambda row: _value_member(read_value(row, ""))
            )
        self._numbers = {}
        for name, each in mapping.properties.items():
            if not isinstance(each, str) and each.type != "text":
                self._numbers[name] = _number_member(name, each.source, property_of(each))

    def write(self, columns: pl.DataFrame, ids: pl.Series, *, is_plain: bool) -> pl.Series:
        """The event of each row as JSON, ended by LF; null where its line is to be looked at alone.

        `columns` has one for each name in the mapping, with empty text where a line lacks it, and
        `ids` what lines are called whose mapping names no id. `is_plain` says that no text of the
        columns holds what JSON escapes.
        """
        types = self._type.of(columns)
        plain = frozenset(
            template for template in self._mapping.templates() if is_plain and _is_plain(template)
        )
        own_id = self._texts.get("eventId")
        event_id = ids if own_id is None else _rendered(own_id, columns).fill_null(ids)
        # All ids of lines begin alike.
        is_plain_id = all(map(_is_plain, ids.head(1))) and (own_id is None or own_id in plain)
        event_id = _sure(event_id, _LENGTHS["eventId"], is_plain=is_plain_id)
        parts: list[str | pl.Series] = ['{"eventId":"', event_id, '"']
        for name, template in self._texts.items():
            if name != "eventId":
                texts = _rendered(template, columns)
                parts.append(_member(name, texts, _LENGTHS[name], is_plain=template in plain))
        parts += [',"eventType":"', types, '"']
        if self._value is not None and self._mapping.value is not None:
            values = self._value.of(columns)
            only_for = self._mapping.value.only_for
            parts.append(values.zip_with(types.is_in(only_for), _NOTHING) if only_for else values)
        parts.append(self._properties(columns, plain))
        parts.append(self._time.of(columns))
        event = _together(parts, columns.height)
        return _no_longer_than(event, limits.MAX_EVENT_BYTES + 1)

    def _properties(self, columns: pl.DataFrame, plain: frozenset[str]) -> pl.Series | str:
        parts: list[str | pl.Series] = []
        for name, rule in self._mapping.properties.items():
            if name in self._numbers:
                parts.append(self._numbers[name].of(columns))
            else:
                template = rule if isinstance(rule, str) else rule.source
                texts = _rendered(template, columns)
                parts.append(_member(name, texts, _ANY_LENGTH, is_plain=template in plain))
        if not parts:
            return ""
        members = _together(parts, columns.height)
        members = _no_longer_than(members, limits.MAX_PROPERTIES_BYTES - 1)
        written = _together([',"properties":{', members.str.slice(1), "}"], columns.height)
        return written.zip_with(members != "", members)


class _Distinct(dict[Any, str | None]):
    """What a function says of the texts of some columns, which is asked once for those that are
    alike. Null where it raises `Invalid`, or says None."""

    def __init__(
        self, names: Sequence[str], function: Callable[[dict[str, str]], str | None]
    ) -> None:
        super().__init__()
        self._names = list(names)
        self._function = function

    def of(self, columns: pl.DataFrame) -> pl.Series:
        """One text for each row of the columns."""
        if len(self) > _KNOWN_MAX:
            self.clear()
        if not self._names:
            return pl.Series([self[()]], dtype=pl.String).new_from_index(0, columns.height)
        texts = [columns[name].to_list() for name in self._names]
        rows = texts[0] if len(texts) == 1 else zip(*texts, strict=True)
        return pl.Series(list(map(self.__getitem__, rows)), dtype=pl.String)

    def __missing__(self, row: Any) -> str | None:
        texts = [row] if len(self._names) == 1 else row
        try:
            told = self._function(dict(zip(self._names, texts, strict=True)))
        except Invalid:
            told = None
        self[row] = told
        return told


def _names_in(templates: Sequence[str | None]) -> list[str]:
    """The columns that these templates name, each once."""
    return sorted({name for text in templates if text for name in template_names(text)})


def _rendered(template: str, columns: pl.DataFrame) -> pl.Series:
    """The text of a template in each row, null where a column that it names is empty."""
    parts: list[str | pl.Series] = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            texts = columns[name]
            is_there = texts != ""
            parts.append(texts if is_there.all() else texts.zip_with(is_there, _NONE))
    return _together(parts, columns.height)


def _member(name: str, texts: pl.Series, lengths: tuple[int, int], *, is_plain: bool) -> pl.Series:
    """A member as it stands among others: nothing where there is no text, null where that is not
    sure to be right."""
    sure = _sure(texts, lengths, is_plain=is_plain)
    written = _together([f',{_json(name)}:"', sure, '"'], len(texts))
    # Without a user there is no event.
    if lengths[0] or not texts.null_count():
        return written
    return written.zip_with(texts.is_not_null(), _NOTHING)


def _sure(texts: pl.Series, lengths: tuple[int, int], *, is_plain: bool) -> pl.Series:
    """The texts that may be so long, and are written as they stand; null for the others."""
    is_sure = texts.str.len_chars().is_between(*lengths)
    if not is_plain:
        is_sure &= ~texts.str.contains(_ESCAPED)
    return texts if is_sure.all(ignore_nulls=False) else texts.zip_with(is_sure, _NONE)


def _no_longer_than(texts: pl.Series, most: int) -> pl.Series:
    return texts.zip_with(texts.str.len_bytes() <= most, _NONE)


def _together(parts: Sequence[str | pl.Series], height: int) -> pl.Series:
    """The parts one behind the other in each row, null where one of them is."""
    columns = [part.alias(str(at)) for at, part in enumerate(parts) if isinstance(part, pl.Series)]
    written = [
        pl.lit(part) if isinstance(part, str) else pl.col(str(at))
        for at, part in enumerate(parts)
        if not isinstance(part, str) or part
    ]
    if not columns:
        return pl.Series(["".join(map(str, parts))]).new_from_index(0, height)
    if len(written) == 1:
        return columns[0]
    return pl.DataFrame(columns).select(pl.concat_str(written).alias("text"))["text"]


def _is_plain(text: str) -> bool:
    return _TO_ESCAPE.search(text) is None


def _json(text: str) -> str:
    return _encode(text).decode()


def _valid_type(text: str) -> str | None:
    return text if limits.EVENT_TYPE.fullmatch(text) else None


def _time_member(instant_ms: int) -> str | None:
    if not timestamp_in_range(instant_ms):
        return None
    return f',"timestamp":"{wire_timestamp(instant_ms)}"}}\n'


def _value_member(value: float | None) -> str | None:
    if value is None:
        return ""
    if abs(value) > limits.MAX_ABSOLUTE_VALUE:
        return None
    return f',"value":{_encode(value).decode()}'


def _number_member(name: str, template: str, read: Callable[[Any], Any]) -> _Distinct:
    def member(row: dict[str, str]) -> str:
        number = read(row)
        return "" if number is None else f",{_json(name)}:{_encode(number).decode()}"

    return _Distinct(_names_in([template]), member)
