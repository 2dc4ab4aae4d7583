"""Retention: who comes back, and how many days, weeks or months after the first time.

A row is one person in one cohort: when they started, and in which of the periods that followed they
came back. Nobody's start is their own return.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

from rtcdp.clock import DAY_MS
from rtcdp.definitions import (
    RANGE_FROM,
    RANGE_TO,
    Joined,
    Predicate,
    Reach,
    RowColumn,
    ShownColumn,
    Step,
    event_type,
    field_column,
    fields_of_predicate,
    to_expression,
)
from rtcdp.definitions.predicate import Everything
from rtcdp.events.event import PAGE_VIEW
from rtcdp.folds.days import Calendar, check_time_zone, local_period, period_start
from rtcdp.folds.rows import row_schema

PERIODS_MAX = 60
_BIT = pl.lit(2, pl.Int64).pow(pl.col("after")).cast(pl.Int64)
PERIOD_MS = {"hour": 3_600_000, "day": 86_400_000, "week": 7 * 86_400_000}
_LONGEST_MS = {**PERIOD_MS, "month": 31 * DAY_MS}
"""No period is longer, but for the hours by which a time zone sets its clocks."""


@dataclass(frozen=True)
class Retention(Step):
    """`cohort="first"` takes everybody's first event of `start`, "each" the first one of every
    period. The periods that follow are counted by a `clock`: "rolling" ones begin with the start
    itself and are whole hours, days of 24 hours or weeks of seven of these; "calendar" ones are
    those of `time_zone`, weeks beginning on day `week_start` (1 is Monday).

    Raises `UsageError`, saying what to write instead.
    """

    called = "a retention"

    start: Predicate = event_type(PAGE_VIEW)
    returning: Predicate = Everything()
    cohort: Literal["first", "each"] = "first"
    clock: Literal["rolling", "calendar"] = "calendar"
    unit: Calendar = "day"
    periods: int = 30
    time_zone: str = "UTC"
    week_start: int = 1

    def faults(self) -> Iterator[tuple[bool, str, str]]:
        check_time_zone(self.time_zone)
        is_known = self.cohort in ("first", "each")
        yield not is_known, f"the cohort {self.cohort!r}", 'cohort="first" or "each"'
        is_known = self.clock in ("rolling", "calendar")
        yield not is_known, f"the clock {self.clock!r}", 'clock="rolling" or "calendar"'
        is_known = self.unit in ("hour", "day", "week", "month")
        yield not is_known, f"the unit {self.unit!r}", 'unit="hour", "day", "week" or "month"'
        is_odd = self.clock == "rolling" and self.unit == "month"
        yield is_odd, "rolling months, which are not of one length", 'clock="calendar", or days'
        is_long = not 1 <= self.periods <= PERIODS_MAX
        yield is_long, f"{self.periods} periods", f"1 to {PERIODS_MAX} of them"
        yield not 1 <= self.week_start <= 7, "such a week", "week_start=1 for Monday to 7"

    @property
    def kind(self) -> Literal["merging", "sequence"]:
        """Who has started keeps the row, which only gains returns; a start that was not known
        before is looked up in the story."""
        return "merging" if self.cohort == "first" else "sequence"

    @property
    def order(self) -> tuple[str, ...]:
        return ("started_at",)

    @property
    def columns(self) -> tuple[RowColumn, ...]:
        """`cohort` numbers the period of the start; `returned` has a bit for each period after it,
        and `last_return` is the last of these periods with one."""
        names = ("started_at", "cohort", "returned", "last_return")
        return tuple(RowColumn(name, "integer") for name in names)

    @property
    def fields(self) -> tuple[str, ...]:
        asked = fields_of_predicate(self.start) | fields_of_predicate(self.returning)
        return tuple(sorted({"eventId", *asked}))

    @property
    def reach(self) -> Reach:
        """A cohort of each period hangs on that period and those that are counted after it; of a
        story one period more is read, so that the first of these cohorts is seen whole."""
        if self.cohort == "first":
            return Reach(None, None)
        period = _LONGEST_MS[self.unit]
        return Reach((self.periods + 2) * period + 3 * DAY_MS, period + 2 * DAY_MS)

    def narrowed(
        self, story: pl.DataFrame, events: pl.DataFrame, spans: pl.DataFrame, key: str
    ) -> tuple[pl.DataFrame, pl.Series] | None:
        del story, events
        before_ms = self.reach.before_ms
        if before_ms is None:
            return None
        begins = pl.col(RANGE_FROM) + _LONGEST_MS[self.unit] + DAY_MS
        return spans.with_columns(begins, pl.col(RANGE_TO) - before_ms), spans[key].clear()

    def shown(self, key: str) -> tuple[ShownColumn, ...]:
        unit = f"{self.unit} of {self.time_zone}"
        return (
            field_column(key),
            ShownColumn("started_at", "instant", "{started_at}", "When this person started"),
            ShownColumn("cohort", "integer", "{cohort}", f"In which {unit}, counted from 1970"),
            ShownColumn(
                "returned",
                "integer",
                "{returned}",
                f"A bit for each {self.unit} after the start, the lowest for that of the start:"
                " set where this person came back",
            ),
            ShownColumn(
                "last_return", "integer", "{last_return}", f"The last {self.unit} with a return"
            ),
        )

    def relevant(self, events: pl.DataFrame) -> pl.DataFrame:
        return events.filter(to_expression(self.start) | to_expression(self.returning))

    def rows(self, events: pl.DataFrame, key: str) -> pl.DataFrame:
        events = self.relevant(events.filter(pl.col(key).is_not_null()))
        # Of events without an id that happen at once, those that are no return come first.
        events = events.with_columns(to_expression(self.returning).alias("is_return"))
        events = events.sort(key, "timestamp", "eventId", "is_return").with_row_index("place")
        begins = events.filter(to_expression(self.start)).select(
            key, "place", started_at="timestamp", cohort=self.period_of(pl.col("timestamp"))
        )
        group = [key] if self.cohort == "first" else [key, "cohort"]
        starts = begins.unique(group, keep="first", maintain_order=True)
        returns = events.filter(to_expression(self.returning)).select(
            key, "timestamp", again="place", then=self.period_of(pl.col("timestamp"))
        )
        found = (
            self._met(starts, returns, key)
            .group_by(key, "started_at")
            .agg(_BIT.sum().alias("returned"), pl.col("after").max().alias("last_return"))
        )
        rows = starts.join(found, on=[key, "started_at"], how="left")
        schema = row_schema((RowColumn(key, "text"), *self.columns))
        return (
            rows.with_columns(pl.col("returned").fill_null(0)).select(schema.names()).cast(schema)
        )

    def join(self, events: pl.DataFrame, stored: pl.DataFrame, key: str) -> Joined:
        started = events.filter(to_expression(self.start)).group_by(key)
        newest = started.agg(pl.col("timestamp").min().alias("starts_at"))
        beside = stored.join(newest, on=key, how="full", coalesce=True)
        is_unsure = pl.col("started_at").is_null() | (pl.col("starts_at") <= pl.col("started_at"))
        unsure = beside.filter(is_unsure.fill_null(False))[key]
        returns = events.filter(to_expression(self.returning)).select(
            key, "timestamp", then=self.period_of(pl.col("timestamp")), again=pl.lit(1)
        )
        # The event that a row begins with came before these.
        starts = stored.select(key, "started_at", "cohort", place=pl.lit(0))
        met = self._met(starts, returns, key)
        found = met.group_by(key).agg(_BIT.sum().alias("more"), pl.col("after").max())
        rows = stored.join(found, on=key, how="left", maintain_order="left").with_columns(
            (pl.col("returned") | pl.col("more").fill_null(0)).alias("now"),
            pl.max_horizontal("last_return", "after").alias("last_return"),
        )
        is_changed = rows.select(pl.col("now") != pl.col("returned")).to_series()
        rows = rows.with_columns(pl.col("now").alias("returned")).select(stored.columns)
        gone = stored.select(key, "started_at").clear()
        return Joined(rows, is_changed, gone, unsure, doubtful=rows.filter(is_changed)[key])

    def _met(self, starts: pl.DataFrame, returns: pl.DataFrame, key: str) -> pl.DataFrame:
        """In how many periods `after` each start somebody came back, each once."""
        met = (
            starts.join(returns, on=key)
            .with_columns(self._after().alias("after"))
            .filter(
                # Nobody's start is their own return.
                (pl.col("again") != pl.col("place"))
                & (pl.col("timestamp") >= pl.col("started_at"))
                & (pl.col("after") < self.periods)
            )
        )
        return met.select(key, "started_at", "after").unique()

    def period_of(self, instant: pl.Expr) -> pl.Expr:
        """The number of the calendar's period that holds an instant."""
        return local_period(instant, self.time_zone, self.unit, self.week_start)

    def _after(self) -> pl.Expr:
        """How many periods after the start a return comes."""
        if self.clock == "calendar":
            return pl.col("then") - pl.col("cohort")
        return (pl.col("timestamp") - pl.col("started_at")) // PERIOD_MS[self.unit]

    def period_end(self, cohort: pl.Expr, after: pl.Expr) -> pl.Expr:
        """When the period so many after the start is over (UTC ms) for all of a cohort."""
        if self.clock == "calendar":
            return self.start_of(cohort + after + 1)
        return self.start_of(cohort + 1) + (after + 1) * PERIOD_MS[self.unit]

    def start_of(self, cohort: pl.Expr) -> pl.Expr:
        """When a cohort's own period begins (UTC ms)."""
        return period_start(cohort, self.time_zone, self.unit, self.week_start)
