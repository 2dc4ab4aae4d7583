"""A metric: one customer question, asked once, answered by every engine and store."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass

from rtcdp.definitions.alarms import Alarms
from rtcdp.definitions.measures import Measure
from rtcdp.definitions.measures.distinct import DISTINCT_EXACT_UP_TO
from rtcdp.definitions.measures.exact_sum import MICROS_PER_UNIT
from rtcdp.definitions.measures.top import TOP_EXACT_UP_TO
from rtcdp.definitions.predicate import (
    AllOf,
    AnyOf,
    Compare,
    Everything,
    Negation,
    Predicate,
    nodes_of,
)
from rtcdp.definitions.window import Calendar, Window
from rtcdp.errors import UsageError
from rtcdp.events.derived import Text, field_name, number_column, text_column

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_ADDING_UP = ("count", "sum")
_RESERVED = frozenset({"window_start", "window_end", "final", "userId", "sessionId", "productId"})


@dataclass(frozen=True)
class Metric:
    """A frozen, engine-neutral description.

    `key` are the texts that get a row each: fields, or what is made of them; an event without one
    of them is not counted by this metric. With an empty key there is one row a window. With
    `alarms` the metric is watched for what is out of the ordinary. One that is a part of what
    another rests in is `part_of` that. Raises `UsageError` when a name
    is not `[a-z][a-z0-9_]*`, is used twice, or there is no measure, or none for the alarms.
    """

    name: str
    title: str
    window: Window | Calendar
    measures: tuple[Measure, ...]
    key: tuple[Text, ...] = ()
    predicate: Predicate = Everything()
    description: str = ""
    alarms: Alarms | None = None
    part_of: "Metric | None" = None

    def __post_init__(self) -> None:
        self._refuse_no_tuples()
        names = [self.name, *(measure.name for measure in self.measures)]
        for name in names:
            if _NAME.fullmatch(name) is None or "__" in name or name in _RESERVED:
                raise UsageError(
                    f"{name!r} can't be the name of a metric or measure",
                    "use lower-case letters, digits and single underscores, 48 at most",
                )
        if not self.measures:
            raise UsageError(
                f"metric {self.name} needs at least one measure",
                "add one, for example Count('page_view_count')",
            )
        if len(set(names[1:])) != len(self.measures):
            raise UsageError(
                f"metric {self.name} has two measures of one name",
                "give each measure a name of its own",
            )
        if len(set(self.key_names)) != len(self.key):
            raise UsageError(f"metric {self.name} names a key field twice", "name it once")
        if self.alarms is not None and self.measure_for(self.alarms) is None:
            raise UsageError(
                f"metric {self.name} has no measure {self.alarms.measure or 'for alarms'}"
                " that can be watched",
                "let alarms name a Count or Sum of this metric",
            )

    def measure_for(self, alarms: Alarms) -> Measure | None:
        """The measure that alarms look at: a count or sum, which is 0 where there is nothing and
        adds up over keys. None when there is no such one."""
        return next(
            (
                measure
                for measure in self.measures
                if measure.kind in _ADDING_UP and alarms.measure in (None, measure.name)
            ),
            None,
        )

    def _refuse_no_tuples(self) -> None:
        """Where one thing stands in the place of several, nothing else can be said of it."""
        if not _is_tuple_of(self.measures, Measure):
            raise UsageError(
                f"the measures of {self.name} can't be {self.measures!r}",
                "give a tuple of them, with a comma even after a single one: (Count('n'),)",
            )
        if not isinstance(self.key, tuple):
            raise UsageError(
                f"the key of {self.name} can't be {self.key!r}",
                "give a tuple of fields, with a comma even after a single one: "
                f"({self.key if isinstance(self.key, str) else 'userId'!r},)",
            )

    @property
    def key_names(self) -> tuple[str, ...]:
        """What the tables, the API and people call the key's columns."""
        return tuple(map(field_name, self.key))

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of decoded events that hold the key."""
        return tuple(map(text_column, self.key))

    @property
    def fingerprint(self) -> str:
        """Changes whenever what is counted, or how it rests in a store, changes; titles don't
        count. State of another fingerprint is never resumed."""
        meaning = {
            "layout": (
                self.window.bucket_ms,
                DISTINCT_EXACT_UP_TO,
                TOP_EXACT_UP_TO,
                MICROS_PER_UNIT,
            ),
            "window": _window_as_data(self.window),
            "key": [as_plain_data(part) for part in self.key],
            "predicate": as_plain_data(self.predicate),
            "measures": [as_plain_data(measure) for measure in self.measures],
        }
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


def _is_tuple_of(value: object, kind: type) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, kind) for item in value)


def _window_as_data(window: Window | Calendar) -> object:
    return asdict(window) if isinstance(window, Window) else as_plain_data(window)


def as_plain_data(node: object) -> object:
    """A node as plain data in which its type's name is kept; without a `where` that is not there,
    so that those who need none mean what they always did."""
    if isinstance(node, tuple):
        return [as_plain_data(item) for item in node]
    if not is_dataclass(node) or isinstance(node, type):
        return node
    values = {each.name: getattr(node, each.name) for each in fields(node)}
    if values.get("where", node) is None:
        del values["where"]
    return {"node": type(node).__name__, **{k: as_plain_data(v) for k, v in values.items()}}


def fields_of(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """The columns of decoded events that the metrics need, in a fixed order, without `source`."""
    needed: set[str] = set()
    for metric in metrics:
        needed.update(metric.key_columns)
        if metric.window.column is not None:
            needed.add(metric.window.column)
        needed.update(fields_of_predicate(metric.predicate))
        for measure in metric.measures:
            needed.update(measure.fields)
            if measure.where is not None:
                needed.update(fields_of_predicate(measure.where))
    return tuple(sorted(needed - {"source"}))


def fields_of_predicate(predicate: Predicate) -> set[str]:
    """The columns of decoded events that it looks at."""
    return {
        number_column(node.field) if isinstance(node, Compare) else text_column(node.field)
        for node in nodes_of(predicate)
        if not isinstance(node, Everything | AllOf | AnyOf | Negation)
    }
