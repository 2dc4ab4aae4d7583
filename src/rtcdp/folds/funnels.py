"""Funnels: how far along a list of steps people come, and how long that takes them.

Each event may begin an attempt, which gets as far as the events after it allow. Of the attempts
that begin in the same quarter of an hour the one that gets farthest is kept, and of equals the
earliest: days of all time zones begin with a quarter. So
another event never takes anybody a step back. With `by="attempt"` they follow each other instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from rtcdp.clock import DAY_MS
from rtcdp.definitions import (
    Predicate,
    Reach,
    RowColumn,
    ShownColumn,
    Step,
    TextField,
    field_column,
    fields_of_predicate,
    to_expression,
)
from rtcdp.events.derived import Text, text_column
from rtcdp.folds.moments import NEVER, Moments, moments_of
from rtcdp.folds.progress import Attempts, Limits, any_order_from, attempts_from
from rtcdp.folds.rows import empty_rows
from rtcdp.folds.segments import Ints, numbered, reached, search_within
from rtcdp.folds.sessions import Sessions

QUARTER_MS = 900_000
STEPS_MAX = 10
HELD_MAX = 3
WITHIN_MS_MAX = 366 * DAY_MS

_ENTERED = "entered_at"


@dataclass(frozen=True)
class FunnelStep:
    """A step: what the page calls it, and the events that fill it."""

    name: str
    events: Predicate


@dataclass(frozen=True)
class Funnel(Step):
    """Steps and what an attempt must keep to.

    `order`: "ordered" (other events may come between), "strict" (none may) or "any". With `is_open`
    people may enter at any step. `within_ms` is the time for all steps, `step_within_ms` that from
    one to the next. The fields in `hold` have one value throughout; an event of `exclusion` between
    two steps ends the attempt. What is counted: users, their sessions, or attempts one after the
    other. `breakdown` is a field or a property, as the event of the step `breakdown_at` has it. Of
    somebody's attempts that begin within the same `apart_ms`, counted from 1970, the farthest is
    kept.

    Raises `UsageError`, saying what to write instead.
    """

    called = "a funnel"

    steps: tuple[FunnelStep, ...]
    order_of_steps: Literal["ordered", "strict", "any"] = "ordered"
    is_open: bool = False
    within_ms: int | None = 7 * DAY_MS
    step_within_ms: int | None = None
    hold: tuple[TextField, ...] = ()
    exclusion: Predicate | None = None
    by: Literal["user", "session", "attempt"] = "user"
    breakdown: Text | None = None
    breakdown_at: Literal["first", "last"] | int = "first"
    sessions: Sessions = Sessions()
    apart_ms: int = QUARTER_MS

    def faults(self) -> Iterator[tuple[bool, str, str]]:
        count, spans = len(self.steps), (self.within_ms, self.step_within_ms)
        yield not 2 <= count <= STEPS_MAX, f"{count} steps", f"2 to {STEPS_MAX} of them"
        names = {step.name for step in self.steps}
        yield len(names) < count, "two steps of one name", "a name of its own for each"
        is_known = self.order_of_steps in ("ordered", "strict", "any")
        known = 'order_of_steps="ordered", "strict" or "any"'
        yield not is_known, f"its steps in the order {self.order_of_steps!r}", known
        yield (
            self.by not in ("user", "session", "attempt"),
            f"a count by {self.by!r}",
            ('by="user", "session" or "attempt"'),
        )
        is_long = any(span is not None and not 0 < span <= WITHIN_MS_MAX for span in spans)
        yield is_long, "no time or more than a year", "a time above 0, or None"
        is_part = 0 < self.apart_ms <= QUARTER_MS and QUARTER_MS % self.apart_ms == 0
        parts = f"apart_ms={QUARTER_MS}, or what that is a whole number of"
        yield not is_part, f"attempts that are {self.apart_ms} ms apart", parts
        is_odd = self.step_within_ms is not None and self.order_of_steps == "any"
        yield is_odd, "step_within_ms where steps come in any order", "within_ms, for all of them"
        is_odd = self.is_open and self.order_of_steps != "ordered"
        yield is_odd, "an open door where the order isn't 'ordered'", "is_open=False"
        yield len(self.hold) > HELD_MAX, f"{len(self.hold)} held fields", f"{HELD_MAX} at most"
        at = self.breakdown_at
        is_step = 1 <= at <= count if isinstance(at, int) else at in ("first", "last")
        yield not is_step, f"a breakdown at {at!r}", f'"first", "last", or a step from 1 to {count}'
        is_plain = self.sessions.by == "gap" and self.sessions.campaign is None
        yield not is_plain, "such sessions", "sessions that go by the gap alone"

    @property
    def order(self) -> tuple[str, ...]:
        return (_ENTERED, *self.hold)

    @property
    def columns(self) -> tuple[RowColumn, ...]:
        return (
            RowColumn(_ENTERED, "integer"),
            *(RowColumn(field, "text") for field in self.hold),
            *((RowColumn("session_start", "integer"),) if self.by == "session" else ()),
            RowColumn("entered_step", "integer"),
            RowColumn("depth", "integer"),
            *(RowColumn(f"at_{number}", "integer") for number in range(1, len(self.steps) + 1)),
            *((RowColumn("breakdown", "text"),) if self.breakdown else ()),
        )

    @property
    def fields(self) -> tuple[str, ...]:
        asked = {"eventId", *self.hold, *(self.sessions.fields if self.by == "session" else ())}
        for step in self.steps:
            asked |= fields_of_predicate(step.events)
        if self.exclusion is not None:
            asked |= fields_of_predicate(self.exclusion)
        return tuple(sorted(asked | ({text_column(self.breakdown)} if self.breakdown else set())))

    @property
    def reach(self) -> Reach:
        """Attempts that follow each other hang on everything before them."""
        if self.by == "session":
            return self.sessions.reach
        if self.within_ms is None or self.by == "attempt":
            return Reach(None, None)
        return Reach(self.within_ms + self.apart_ms, self.apart_ms, self.apart_ms)

    @property
    def apart(self) -> tuple[str, ...]:
        """Sessions are of all that somebody did."""
        return () if self.by == "session" else self.hold

    def narrowed(
        self, story: pl.DataFrame, events: pl.DataFrame, spans: pl.DataFrame, key: str
    ) -> tuple[pl.DataFrame, pl.Series] | None:
        if self.by != "session":
            return None
        return self.sessions.runs_touched(story, events, spans, key)

    @property
    def settled(self) -> str | None:
        """When the time of an attempt is over, and that of all others beside it."""
        if self.within_ms is None:
            return None
        return f"{{{_ENTERED}}} + {self.apart_ms + self.within_ms}"

    def shown(self, key: str) -> tuple[ShownColumn, ...]:
        steps = [
            ShownColumn(
                f"at_{number}", "instant", f"{{at_{number}}}", f"When step {number} was reached"
            )
            for number in range(1, len(self.steps) + 1)
        ]
        session = "When the session began"
        return (
            field_column(key),
            *(field_column(name) for name in self.hold),
            *(
                (ShownColumn("session_start", "instant", "{session_start}", session),)
                if self.by == "session"
                else ()
            ),
            ShownColumn(_ENTERED, "instant", f"{{{_ENTERED}}}", "When the attempt began"),
            ShownColumn("entered_step", "integer", "{entered_step}", "The step it began with"),
            ShownColumn("depth", "integer", "{depth}", "The last step that was reached"),
            *steps,
            *(
                (ShownColumn("breakdown", "text", "{breakdown}", f"The {self.breakdown}"),)
                if self.breakdown
                else ()
            ),
        )

    def relevant(self, events: pl.DataFrame) -> pl.DataFrame:
        if self.by == "session":
            return events
        held = self._is_held()
        if self.order_of_steps == "strict":
            return events.filter(held)
        parts = [step.events for step in self.steps]
        parts += [] if self.exclusion is None else [self.exclusion]
        return events.filter(held & pl.any_horizontal(*map(to_expression, parts)))

    def rows(self, events: pl.DataFrame, key: str) -> pl.DataFrame:
        columns = (RowColumn(key, "text"), *self.columns)
        events = events.filter(pl.col(key).is_not_null())
        unit = [key, *self.hold]
        if self.by == "session":
            events = self.sessions.started(events, key).filter(self._is_held())
            unit.append("session_start")
        else:
            events = self.relevant(events)
        if events.is_empty():
            return empty_rows(columns)
        predicates = [step.events for step in self.steps]
        moments = moments_of(events, unit, predicates, self.exclusion)
        limits = Limits(self.within_ms, self.step_within_ms, self.order_of_steps == "strict")
        if self.order_of_steps == "any":
            attempts = any_order_from(moments, len(self.steps), limits)
        else:
            attempts = attempts_from(moments, len(self.steps), limits, is_open=self.is_open)
        if len(attempts.moments) == 0:
            return empty_rows(columns)
        is_farthest = self.by != "attempt"
        if is_farthest:
            kept = _farthest(moments, attempts, self.apart_ms)
        else:
            kept = self._following(moments, attempts)
        return self._told(moments, attempts, kept, key).select([name for name, _ in columns])

    def _is_held(self) -> pl.Expr:
        return pl.all_horizontal(pl.lit(True), *(pl.col(name).is_not_null() for name in self.hold))

    def _told(self, moments: Moments, attempts: Attempts, kept: Ints, key: str) -> pl.DataFrame:
        """Attempts as rows."""
        at, places = attempts.moments[kept], attempts.places[kept]
        who = moments.events[moments.firsts[at]].select(
            key, *self.hold, *(("session_start",) if self.by == "session" else ())
        )
        rows = who.with_columns(
            pl.Series(_ENTERED, moments.times[at]),
            pl.Series("entered_step", attempts.first_steps[kept] + 1),
            pl.Series("depth", attempts.last_steps[kept] + 1),
            *(
                pl.Series(f"at_{number}", _time(moments, places[:, number - 1]), pl.Int64).replace(
                    NEVER, None
                )
                for number in range(1, len(self.steps) + 1)
            ),
        )
        if self.breakdown is None:
            return rows
        return rows.with_columns(self._broken_down(moments, attempts, kept).alias("breakdown"))

    def _broken_down(self, moments: Moments, attempts: Attempts, kept: Ints) -> pl.Series:
        """The value at the step that was asked for; null where that was not reached."""
        assert self.breakdown is not None
        first, last = attempts.first_steps[kept], attempts.last_steps[kept]
        step = last if self.breakdown_at == "last" else first
        if isinstance(self.breakdown_at, int):
            step = np.full(len(kept), self.breakdown_at - 1)
        is_there = (step >= first) & (step <= last)
        step = np.where(is_there, step, first)
        place = attempts.places[kept, step]
        is_any = self.order_of_steps == "any"
        masks = np.full(len(kept), (1 << len(self.steps)) - 1) if is_any else 1 << step
        values = moments.events[text_column(self.breakdown)].gather(
            moments.event_filling(place, masks)
        )
        return pl.select(pl.when(pl.Series(is_there)).then(values)).to_series()

    def _following(self, moments: Moments, attempts: Attempts) -> Ints:
        """Attempts that follow each other: each begins when the one before it has converted, was
        ended, or ran out of time."""
        entered, units = moments.times[attempts.moments], moments.units[attempts.moments]
        converted = _time(moments, attempts.places[:, -1])
        ended = moments.exclusion_after()[attempts.moments]
        if self.within_ms is not None:
            ended = np.minimum(ended, entered + self.within_ms + 1)
        over = np.where(converted < NEVER, np.minimum(converted, NEVER - 1) + 1, ended)
        following = search_within(units, entered, over)
        roots = np.flatnonzero(np.append(True, units[1:] != units[:-1]))
        return np.flatnonzero(reached(roots, following))


def _farthest(moments: Moments, attempts: Attempts, apart_ms: int) -> Ints:
    """Of the attempts of a unit that begin in the same stretch of time, the one that gets farthest,
    or of equals begins first."""
    units = moments.units[attempts.moments]
    stretches = moments.times[attempts.moments] // apart_ms
    begins = np.append(True, (units[1:] != units[:-1]) | (stretches[1:] != stretches[:-1]))
    firsts, groups = np.flatnonzero(begins), numbered(begins)
    depths, places = attempts.last_steps, np.arange(len(begins))
    is_farthest = depths == np.maximum.reduceat(depths, firsts)[groups]
    return np.minimum.reduceat(np.where(is_farthest, places, len(places)), firsts)


def _time(moments: Moments, places: Ints) -> Ints:
    """The times of moments, and NEVER for nowhere."""
    return np.append(moments.times, NEVER)[places]
