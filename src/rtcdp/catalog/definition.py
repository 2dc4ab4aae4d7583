"""Whether a metric or fold can be computed and kept. Type checkers see most faults; users run none.

`Metric` and `Fold` themselves refuse bad names, and steps what makes no sense to them. What is
checked here needs the types of the vocabulary, which Python doesn't hold at run time, or the names
of tables and columns, which stores limit.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import chain, pairwise
from math import isfinite
from types import UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from rtcdp.definitions import (
    Buckets,
    Compare,
    Equals,
    Fault,
    Fold,
    Metric,
    OneOf,
    Product,
    Property,
    Table,
    Text,
    Window,
    field_name,
    fields_in,
    nodes_of,
    tables_of,
)
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.errors import did_you_mean
from rtcdp.events.event import EVENT_TYPE, TEXT_FIELDS

TABLE_NAME_LENGTH_MAX = 63
"""PostgreSQL cuts longer names off, and then two tables could share one."""

NAMES_OF_DATABASES = ("sqlite_", "pg_")
"""Databases keep names that begin like this to themselves."""

NAMES_OF_SYSTEM_COLUMNS = ("cmax", "cmin", "ctid", "tableoid", "xmax", "xmin")
"""PostgreSQL gives every table columns of these names."""

KEY_FIELDS_MAX = 16
"""Every field of the key is in an index, which no database lets be as wide as one likes."""

COLUMNS_MAX = 200
"""A row has to fit into a page of PostgreSQL, as a whole."""

BUCKETS_MAX = 100

_PROPERTY_KEY = re.compile(r'[^"\\\x00-\x1f]{1,100}')
_COLUMN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")
_ANSWERS = ("window_start", "window_end", "final", "partial", "member", "item", "item_count")
_PARAMETERS = ("from", "to", "since", "at", "state", "limit", "cursor", "metric", "verdict")
_TAKEN_NAMES = {
    *map(str.lower, (*TEXT_FIELDS, "source", "value", "properties", "timestamp")),
    *_ANSWERS,
    *_PARAMETERS,
}
"""Names that mean something else where a key's are: in events, answers, tables, addresses."""


def faults_of(metric: Metric) -> list[Fault]:
    """Everything that is wrong with a metric; empty when nothing is."""
    mistyped = list(_mistyped(metric, Metric, "Metric"))
    if mistyped:
        return mistyped
    return [*_senseless(metric), *_unstorable(metric)]


def faults_of_fold(fold: Fold) -> list[Fault]:
    """Everything that is wrong with a fold; empty when nothing is. Its step has refused already
    what makes no sense to it."""
    mistyped = list(_mistyped(fold, Fold, "Fold"))
    if mistyped:
        return mistyped
    parts = list(_parts_of(fold.step))
    return [
        *chain.from_iterable(map(_faults_of_node, parts)),
        *chain.from_iterable(map(_faults_of_part, parts)),
        *_kept_to_themselves(fold.name),
    ]


def _parts_of(value: object) -> Iterator[object]:
    """A value of the vocabulary and all that is inside it."""
    if isinstance(value, tuple):
        for item in value:
            yield from _parts_of(item)
    elif is_dataclass(value):
        yield value
        for field in fields(value):
            yield from _parts_of(getattr(value, field.name))


def _mistyped(value: object, expected: object, place: str) -> Iterator[Fault]:
    """Faults of a value, and of all values inside it, against a type of the vocabulary."""
    origin, options = get_origin(expected), get_args(expected)
    if origin in (Union, UnionType):
        matching = [option for option in options if _is_of(value, option)]
        if matching:
            yield from _mistyped(value, matching[0], place)
        else:
            yield _wrong(value, expected, place)
    elif not _is_of(value, expected):
        yield _wrong(value, expected, place)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _mistyped(item, options[0], f"{place}[{index}]")
    elif is_dataclass(value):
        hints = get_type_hints(type(value))
        for field in fields(value):
            inner = getattr(value, field.name)
            yield from _mistyped(inner, hints[field.name], f"{place}.{field.name}")


def _is_of(value: object, expected: object) -> bool:
    """Whether the value by itself, not what is inside it, is of the type."""
    if get_origin(expected) is Literal:
        return value in get_args(expected)
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool)
    kind = get_origin(expected) or expected
    return isinstance(kind, type) and isinstance(value, kind)


def _wrong(value: object, expected: object, place: str) -> Fault:
    hint = f"{_probably_meant(value, expected)}give it {_wanted(expected)}"
    return Fault(f"{place} can't be {value!r}", hint)


def _probably_meant(value: object, expected: object) -> str:
    """The beginning of a hint: how to write what was probably meant; nothing where nobody knows."""
    options = get_args(expected) or (expected,)
    if isinstance(value, type):
        return f"write {value.__name__}(…), with what it takes; "
    if Window in options:
        return 'write tumbling(hours=1), or Calendar("day", "Europe/Berlin"); '
    if not isinstance(value, str):
        return ""
    if Equals in options and EVENT_TYPE.fullmatch(value):
        return f'write event_type("{value}"); '
    if Property in options and _PROPERTY_KEY.fullmatch(value):
        meant = did_you_mean(value, chain.from_iterable(map(get_args, options)))
        return meant or f'for a property write Property("{value}"); '
    return ""


def _wanted(expected: object) -> str:
    if get_origin(expected) is Literal:
        return "one of " + ", ".join(map(repr, get_args(expected)))
    if get_origin(expected) is tuple:
        return (
            f"a tuple, with a comma even after a single item: ({_wanted(get_args(expected)[0])},)"
        )
    if get_origin(expected) in (Union, UnionType):
        return " or ".join(_wanted(option) for option in get_args(expected))
    return getattr(expected, "__name__", str(expected))


def _senseless(metric: Metric) -> Iterator[Fault]:
    yield from _faults_of_derived(metric)
    for place, measure in enumerate(metric.measures):
        yield from measure.faults(metric.measures[:place])
    wheres = [measure.where for measure in metric.measures if measure.where is not None]
    for node in chain.from_iterable(map(nodes_of, (metric.predicate, *wheres))):
        yield from _faults_of_node(node)


def _faults_of_node(node: object) -> Iterator[Fault]:
    """What is wrong with a predicate by itself."""
    for text in _event_types_in(node):
        if EVENT_TYPE.fullmatch(text) is None:
            yield Fault(
                f"no event has the type {text!r}",
                "event types are upper-case letters, digits and underscores, like PAGE_VIEW",
            )
    if isinstance(node, Compare) and not isfinite(node.limit):
        yield Fault(f"no value compares with {node.limit}", "compare with a finite number")


def _derived_in(metric: Metric) -> Iterator[object]:
    """Everything that the metric takes from events and that is no field as it is."""
    predicates = [metric.predicate, *(m.where for m in metric.measures if m.where is not None)]
    read = [getattr(measure, "field", "") for measure in metric.measures]
    key = (part for part in metric.key if not isinstance(part, Product))
    for part in (*key, *read, *chain.from_iterable(map(fields_in, predicates))):
        if isinstance(part, Buckets):
            yield part.of
        yield part


def _faults_of_derived(metric: Metric) -> Iterator[Fault]:
    for part in metric.key:
        if not isinstance(part, str):
            yield from _faults_of_name(part)
    for found in _derived_in(metric):
        yield from _faults_of_part(found)


def _faults_of_part(found: object) -> Iterator[Fault]:
    """What is wrong with something that is taken from events."""
    if isinstance(found, Property) and not _PROPERTY_KEY.fullmatch(found.key):
        yield Fault(
            f"{found.key!r} can't be the key of a property here",
            "name a key of 1 to 100 characters, without quotes and backslashes",
        )
    if isinstance(found, Product):
        yield Fault(
            f"the {found.attribute} of a product can be a key and nothing else",
            "count by it, and ask for windows with the values that you want",
        )
    if isinstance(found, Buckets):
        limits = found.limits
        rising = all(low < high for low, high in pairwise(limits))
        if not (1 <= len(limits) <= BUCKETS_MAX and rising and all(map(isfinite, limits))):
            yield Fault(
                f"numbers can't be put into buckets by {limits}",
                f"give 1 to {BUCKETS_MAX} finite limits, each larger than the one before",
            )


def _faults_of_name(part: Text) -> Iterator[Fault]:
    name = field_name(part)
    if _COLUMN_NAME.fullmatch(name) is None:
        yield Fault(
            f"a column can't be called {name!r}",
            'give it a name of letters, digits and underscores: called="plan_type"',
        )
    elif name.lower() in _TAKEN_NAMES:
        yield Fault(
            f"a column called {name} would be taken for another one",
            f'give it another name: called="its_{name}"',
        )


def _event_types_in(node: object) -> tuple[str, ...]:
    match node:
        case Equals(field="eventType"):
            return (node.text,)
        case OneOf(field="eventType"):
            return node.texts
        case _:
            return ()


def _unstorable(metric: Metric) -> Iterator[Fault]:
    yield from _kept_to_themselves(metric.name)
    if len(metric.key) > KEY_FIELDS_MAX:
        yield Fault(f"its key has {len(metric.key)} fields", f"name {KEY_FIELDS_MAX} at most")
    tables = [table for stored in stored_metrics([metric]) for table in tables_of(stored)]
    for table in tables:
        yield from _uncolumned(table)
        if len(table.name) > TABLE_NAME_LENGTH_MAX:
            yield Fault(
                f"its table would be called {table.name}, {len(table.name)} letters long",
                f"shorten the names; {TABLE_NAME_LENGTH_MAX} letters fit into every store",
            )
        for column in _repeated(table.column_names):
            yield Fault(
                f"its table {table.name} would have two columns called {column}",
                "give the measure another name",
            )
    for name in _repeated(tuple(table.name for table in tables)):
        yield Fault(f"it would have two tables called {name}", "give the measure another name")


def _uncolumned(table: Table) -> Iterator[Fault]:
    """Columns that a database won't make."""
    if len(table.column_names) > COLUMNS_MAX:
        yield Fault(
            f"its table {table.name} would have {len(table.column_names)} columns",
            f"say less in one metric; {COLUMNS_MAX} columns fit into every store",
        )
    for name in table.column_names:
        if name.lower() in NAMES_OF_SYSTEM_COLUMNS:
            yield Fault(f"PostgreSQL keeps the column {name} to itself", "give it another name")


def _kept_to_themselves(name: str) -> Iterator[Fault]:
    if name.startswith(NAMES_OF_DATABASES):
        yield Fault(f"databases keep names like {name} to themselves", "begin otherwise")


def _repeated(names: tuple[str, ...]) -> list[str]:
    """Names that come twice for a store that doesn't tell capitals from small letters."""
    return [name for name, count in Counter(map(str.lower, names)).items() if count > 1]
