"""Applies a mapping to columns: the events that many lines tell of, as JSON text.

What is written here of a line is, byte for byte, what `rtcdp.sources.recorded.line_mapper` makes of
that line by itself; its rules are called once for each different text. Whatever the strict rule
(`rtcdp.events.codec`) might say no to is left out, for that.
"""

import re
from collections.abc import Callable, Sequence
from string import Formatter
from typing import Any, NamedTuple

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
from rtcdp.sources.recorded.mapping import Mapping, PropertyRule, TimestampRule
from rtcdp.sources.recorded.template import template_names
from rtcdp.sources.recorded.time_columns import time_reader
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

_PROPERTIES_BYTES = limits.MAX_PROPERTIES_BYTES
_ANY_LENGTH = (0, _PROPERTIES_BYTES)
_ESCAPED = r'["\\\x00-\x1f]'
_TO_ESCAPE = re.compile(_ESCAPED)
_KNOWN_MAX = 100_000
_SHARE_OF_DISTINCT = 0.5
"""Where more of some texts are different ones, these are not told apart first."""

_NOTHING, _NONE = pl.Series([""]), pl.Series([None], dtype=pl.String)
_encode = msgspec.json.Encoder().encode

Part = str | pl.Series
"""What stands in a text in each row: the same everywhere, or another text in each."""


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
            _names_in([mapping.timestamp.source]),
            lambda row: _time_member(read_time(row)),
            _time_members(mapping.timestamp),
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
                self._numbers[name] = _numbers_of(each)

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
        parts: list[Part] = ['{"eventId":"', event_id, '"']
        for name, template in self._texts.items():
            if name != "eventId":
                texts = _rendered(template, columns)
                member = _text_member(name, texts, _LENGTHS[name], is_plain=template in plain)
                # Without a user there is no event.
                member = member._replace(is_there=None) if _LENGTHS[name][0] else member
                parts += member.parts(before=",")
        parts += [',"eventType":"', types, '"']
        if self._value is not None and self._mapping.value is not None:
            values = self._value.of(columns)
            only_for = self._mapping.value.only_for
            parts.append(values.zip_with(types.is_in(only_for), _NOTHING) if only_for else values)
        parts += self._properties(columns, plain)
        parts.append(self._time.of(columns))
        return _together(_no_longer_than(parts, limits.MAX_EVENT_BYTES + 1), columns.height)

    def _properties(self, columns: pl.DataFrame, plain: frozenset[str]) -> list[Part]:
        members = []
        for name, rule in self._mapping.properties.items():
            if name in self._numbers:
                members.append(_number_member(name, self._numbers[name].of(columns)))
            else:
                template = rule if isinstance(rule, str) else rule.source
                texts = _rendered(template, columns)
                members.append(_text_member(name, texts, _ANY_LENGTH, is_plain=template in plain))
        return _properties_of(members) if members else []


class _Distinct(dict[Any, str | None]):
    """What a function says of the texts of some columns, which is asked once for those that are
    alike. Null where it raises `Invalid`, or says None. What `together` says of a column, where it
    says something, is the same."""

    def __init__(
        self,
        names: Sequence[str],
        function: Callable[[dict[str, str]], str | None],
        together: Callable[[pl.Series], pl.Series] | None = None,
    ) -> None:
        super().__init__()
        self._names = list(names)
        self._function = function
        self._together = together

    def of(self, columns: pl.DataFrame) -> pl.Series:
        """One text for each row of the columns."""
        if len(self) > _KNOWN_MAX:
            self.clear()
        if not self._names:
            return pl.Series([self[()]], dtype=pl.String).new_from_index(0, columns.height)
        if len(self._names) == 1:
            column = columns[self._names[0]]
            distinct = column.unique()
            if len(distinct) < _SHARE_OF_DISTINCT * len(column):
                told = self._told_of(distinct)
                return column.replace_strict(distinct, told, return_dtype=pl.String)
            return self._told_of(column)
        rows = zip(*(columns[name].to_list() for name in self._names), strict=True)
        return pl.Series(list(map(self.__getitem__, rows)), dtype=pl.String)

    def _told_of(self, texts: pl.Series) -> pl.Series:
        found = None if self._together is None else self._together(texts)
        if found is None:
            return pl.Series(list(map(self.__getitem__, texts.to_list())), dtype=pl.String)
        if not found.null_count():
            return found
        pairs = zip(texts.to_list(), found.to_list(), strict=True)
        each = [self[text] if told is None else told for text, told in pairs]
        return pl.Series(each, dtype=pl.String)

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
    parts: list[Part] = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            texts = columns[name]
            is_there = texts != ""
            parts.append(texts if is_there.all() else texts.zip_with(is_there, _NONE))
    return _together(parts, columns.height)


class _Member(NamedTuple):
    """A member of the object in each row: the text of its content, null where that is not sure to
    be right, and what stands before and behind it. Where `is_there` does not hold there is none."""

    opening: str
    content: pl.Series
    closing: str
    is_there: pl.Series | None

    def parts(self, before: str = "", after: str = "") -> list[Part]:
        """It as parts of a text, with what comes before and after it where it is there."""
        parts: list[Part] = [before + self.opening, self.content, self.closing + after]
        if self.is_there is None:
            return parts
        return [_together(parts, len(self.content)).zip_with(self.is_there, _NOTHING)]


def _text_member(
    name: str, texts: pl.Series, lengths: tuple[int, int], *, is_plain: bool
) -> _Member:
    """Texts, null where there is none, as members."""
    is_there = texts.is_not_null() if texts.null_count() else None
    return _Member(f'{_json(name)}:"', _sure(texts, lengths, is_plain=is_plain), '"', is_there)


def _number_member(name: str, numbers: pl.Series) -> _Member:
    """Numbers as they are written, empty where there is none, as members."""
    is_there = (numbers != "").fill_null(True)
    return _Member(f"{_json(name)}:", numbers, "", None if is_there.all() else is_there)


def _properties_of(members: Sequence[_Member]) -> list[Part]:
    """The member `properties`, with a comma before it, of the members in it; nothing where there
    are none."""
    height = len(members[0].content)
    opening, closing = ',"properties":', "}"
    sure = next((at for at, member in enumerate(members) if member.is_there is None), None)
    if sure is None:
        parts = [part for member in members for part in member.parts(before=",")]
        behind_comma = _together(parts, height)
        wrapped = _no_longer_than(["{", behind_comma.str.slice(1), closing], _PROPERTIES_BYTES)
        written = _together([opening, *wrapped], height)
        return [written.zip_with(behind_comma != "", behind_comma)]
    # One that is always there has the commas of all others at its sides.
    before = [part for member in members[:sure] for part in member.parts(after=",")]
    behind = [part for member in members[sure + 1 :] for part in member.parts(before=",")]
    whole: list[Part] = ["{", *before, *members[sure].parts(), *behind, closing]
    return [opening, *_no_longer_than(whole, _PROPERTIES_BYTES)]


def _sure(texts: pl.Series, lengths: tuple[int, int], *, is_plain: bool) -> pl.Series:
    """The texts that may be so long, and are written as they stand; null for the others."""
    is_sure = texts.str.len_chars().is_between(*lengths)
    if not is_plain:
        is_sure &= ~texts.str.contains(_ESCAPED)
    return texts if is_sure.all(ignore_nulls=False) else texts.zip_with(is_sure, _NONE)


def _no_longer_than(parts: Sequence[Part], most: int) -> list[Part]:
    """The parts of a text, null where together they have more bytes."""
    longest = sum(map(_most_bytes, parts))
    if longest <= most:
        return list(parts)
    height = max(len(part) for part in parts if isinstance(part, pl.Series))
    texts = _together(parts, height)
    return [texts.zip_with(texts.str.len_bytes() <= most, _NONE)]


def _most_bytes(part: Part) -> int:
    if isinstance(part, str):
        return len(part.encode())
    most = part.str.len_bytes().max()
    return most if isinstance(most, int) else 0


def _together(parts: Sequence[Part], height: int) -> pl.Series:
    """The parts one behind the other in each row, null where one of them is."""
    columns = [part.alias(str(at)) for at, part in enumerate(parts) if isinstance(part, pl.Series)]
    if not columns:
        return pl.Series(["".join(map(str, parts))]).new_from_index(0, height)
    if len(columns) == 1 and not any(part for part in parts if isinstance(part, str)):
        return columns[0]
    form = "".join(_escaped(part) if isinstance(part, str) else "{}" for part in parts)
    together = pl.format(form, *(column.name for column in columns))
    return pl.DataFrame(columns).select(together.alias("text"))["text"]


def _escaped(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")


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


def _time_members(rule: TimestampRule) -> Callable[[pl.Series], pl.Series] | None:
    """The same of many texts; null where that is not sure."""
    read = time_reader(rule)
    if read is None:
        return None
    return lambda texts: _together([',"timestamp":"', read(texts), '"}\n'], len(texts))


def _value_member(value: float | None) -> str | None:
    if value is None:
        return ""
    if abs(value) > limits.MAX_ABSOLUTE_VALUE:
        return None
    return f',"value":{_encode(value).decode()}'


def _numbers_of(rule: PropertyRule) -> "_Distinct":
    read: Callable[[Any], Any] = property_of(rule)
    return _Distinct(_names_in([rule.source]), lambda row: _number_text(read(row)))


def _number_text(number: float | None) -> str:
    return "" if number is None else _encode(number).decode()
