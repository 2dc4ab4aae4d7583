"""A fold: what is computed from one key's story, as rows that are replaced and deleted.

A metric adds events up; a fold looks at the ordered events of one key. It is pure data and a pure
step, and a function of the set of admitted events alone. An engine reads what is stored around the
touched keys, lets the step work, and commits the difference.
"""

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from rtcdp.definitions.metric import as_plain_data
from rtcdp.definitions.row_table import RowTable, RowType
from rtcdp.definitions.row_view import RowView, ShownColumn, field_column, snake_case_of
from rtcdp.errors import UsageError
from rtcdp.events.derived import TextField

if TYPE_CHECKING:
    import polars as pl

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class RowColumn(NamedTuple):
    """A stored value of a row. A column of the primary key is never null."""

    name: str
    type: RowType


@dataclass(frozen=True)
class Reach:
    """How far from an event (ms) lies what it can change: rows, or events, that start up to
    `before_ms` earlier and `after_ms` later, rounded to whole slices of time. None is the whole of
    the key's story."""

    before_ms: int | None
    after_ms: int | None
    slice_ms: int = 1


@dataclass(frozen=True)
class Joined:
    """What a merging step made of stored rows and new events: all `rows`, of which some have
    changed, or are new, and the primary keys of the stored rows that are `gone`.

    Where it can't be told from rows alone what becomes of a key, that is among `unsure`, and all
    that is said of it here is void; its rows are made of the events themselves. So are those of
    keys in `doubtful` that turn out to have an hour with more events than stories tell.
    """

    rows: "pl.DataFrame"
    is_changed: "pl.Series"
    gone: "pl.DataFrame"
    unsure: "pl.Series"
    doubtful: "pl.Series | None" = None


class Step(ABC):
    """What a fold does. A frozen dataclass of options, which says all about it.

    A "merging" step joins stored rows with new events; a "sequence" needs all events within reach
    again. Frames of events have the columns `fields`, `timestamp` (UTC ms) and the key, and come in
    any order; frames of rows have the key and `columns`. A key's rows are told by its events alone.
    """

    called: ClassVar[str] = "a step"
    """What messages call it."""

    def __post_init__(self) -> None:
        for is_wrong, what, instead in self.faults():
            if is_wrong:
                raise UsageError(f"{self.called} can't have {what}", f"write {instead}")

    def faults(self) -> Iterator[tuple[bool, str, str]]:
        """What makes no sense, and what to write instead, each with whether it is so: whoever makes
        a step with one gets a `UsageError`."""
        yield from ()

    @property
    def kind(self) -> Literal["merging", "sequence"]:
        return "sequence"

    @property
    @abstractmethod
    def columns(self) -> tuple[RowColumn, ...]:
        """The columns of a row behind its key, those of `order` first."""

    @property
    @abstractmethod
    def order(self) -> tuple[str, ...]:
        """The columns that tell the rows of one key apart; the first is a time (UTC ms)."""

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The fields of events that it reads, besides the key and the time."""

    @property
    @abstractmethod
    def reach(self) -> Reach: ...

    @abstractmethod
    def rows(self, events: "pl.DataFrame", key: str) -> "pl.DataFrame":
        """The rows that a set of events makes: the definition, from whole stories."""

    @property
    def apart(self) -> tuple[str, ...]:
        """Of a sequence: the fields of events, columns of `order` too, by which a key's story falls
        into units that know nothing of each other. An event changes the rows of its own alone."""
        return ()

    @property
    def settled(self) -> str | None:
        """SQL over stored columns in braces for the time (UTC ms) from which on no event can change
        a row; None where there is no such time."""
        return None

    @property
    def final_after_ms(self) -> int | None:
        """How long after its beginning (ms) no event can change a row any more, where whoever
        follows rows is to be told of that as well; None where not."""
        return None

    @property
    def named_max(self) -> int:
        """How many of the rows that an epoch changes are named, those that began last, so that
        whoever follows rows need not look for them."""
        return 200

    def shown(self, key: str) -> tuple[ShownColumn, ...]:
        """What readers see of a row. Without saying so, each column by its name."""
        time = self.order[0]
        columns = [
            ShownColumn(
                snake_case_of(name),
                "instant" if name == time else kind,
                f"{{{name}}}",
                f"{name}, as the rows have it",
            )
            for name, kind in self.columns
            if kind != "bytes"
        ]
        return (field_column(key), *columns)

    def relevant(self, events: "pl.DataFrame") -> "pl.DataFrame":
        """The events that it looks at."""
        return events

    def narrowed(
        self, story: "pl.DataFrame", events: "pl.DataFrame", spans: "pl.DataFrame", key: str
    ) -> "tuple[pl.DataFrame, pl.Series] | None":
        """Of a sequence: which rows a batch of `events` can change, seen in the `story` that was
        read of each key, in `spans` of time (`from`, `to`). Gives narrower spans for some keys, and
        the keys whose whole story is needed to tell; keys that are in neither don't change. None
        where it makes no difference."""
        del story, events, spans, key
        return None

    def join(self, events: "pl.DataFrame", stored: "pl.DataFrame", key: str) -> Joined:
        """Of a merging step: the rows that come of new events and of the stored rows within their
        reach, which stand for the events behind them. In which batches the events came changes
        nothing."""
        del events, stored, key
        raise AssertionError("the rows of a sequence are made of events alone")


@dataclass(frozen=True)
class Fold:
    """A frozen, engine-neutral description: the story of each `key`, told by a `step`.

    Raises `UsageError` when the name is not `[a-z][a-z0-9_]*`, at most 40 letters long.
    """

    name: str
    title: str
    step: Step
    key: TextField = "userId"
    description: str = ""

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None or "__" in self.name:
            raise UsageError(
                f"{self.name!r} can't be the name of a fold",
                "use lower-case letters, digits and single underscores, 40 at most",
            )

    @property
    def columns(self) -> tuple[RowColumn, ...]:
        """All columns of a row, in stored order: the key, the order, and the rest."""
        return (RowColumn(self.key, "text"), *self.step.columns)

    @property
    def primary_key(self) -> tuple[str, ...]:
        return (self.key, *self.step.order)

    @property
    def table(self) -> RowTable:
        """Where its rows rest in a store."""
        step = self.step
        view = RowView(self.title, self.description, step.shown(self.key), step.settled)
        return RowTable(self.name, self.columns, (self.key,), step.order, self.fingerprint, view)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of events that are to be decoded, in a fixed order."""
        return tuple(sorted({self.key, "eventId", *self.step.fields} - {"source"}))

    @property
    def fingerprint(self) -> str:
        """Changes whenever what is computed, or how it rests in a store, changes; titles don't
        count. State of another fingerprint is never resumed."""
        meaning = {
            "key": self.key,
            "step": as_plain_data(self.step),
            "columns": [[column.name, column.type] for column in self.columns],
        }
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]
