"""Sessions: the visits of a user, as runs of events that follow each other closely.

Two events less than `gap_ms` apart belong to one session; one that is exactly so far away begins
another. No session lasts `longest_ms`: the first event that late begins another.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from rtcdp.clock import DAY_MS, MINUTE_MS
from rtcdp.definitions import (
    RANGE_FROM,
    RANGE_TO,
    Joined,
    Predicate,
    Reach,
    RowColumn,
    RowType,
    ShownColumn,
    ShownKind,
    Step,
    TextField,
    event_type,
    field_column,
    fields_of_predicate,
    to_expression,
)
from rtcdp.definitions.measures.exact_sum import sum_parts
from rtcdp.errors import UsageError
from rtcdp.events.event import PAGE_VIEW, PURCHASE
from rtcdp.folds import timeline
from rtcdp.folds.days import check_time_zone, local_day
from rtcdp.folds.packed_sets import hashed, joined
from rtcdp.folds.rows import (
    by_group,
    by_key_and_time,
    changes_in,
    empty_rows,
    first_in_group,
    in_order,
)
from rtcdp.folds.segments import Flags, Ints, numbered, reached, running_max, search_within

LONGEST_MS_MAX = 7 * DAY_MS

MEMBERS_MAX = 64
"""So many products, and ids of the client, are told apart in a session; it stands for "or more"."""

ENGAGED_AFTER_MS = 10_000

_UNITS, _MICROS = sum_parts("value", "value")
_COUNTS = ("event_count", "page_view_count", "value_units", "value_micros")


@dataclass(frozen=True)
class Sessions(Step):
    """`by="client"` takes the client's own `sessionId` within a user instead of the gap (which goes
    on ruling events that have none). `exclude` are event types that are no activity. `midnight` is
    a time zone in which each session ends with the day; `campaign` a field whose change begins a
    new one (`number` tells those apart that start at once). A session that has an event of
    `conversion` is converted.

    Raises `UsageError` for spans that make no sense and for a time zone that nobody knows.
    """

    gap_ms: int = 30 * MINUTE_MS
    longest_ms: int = DAY_MS
    by: Literal["gap", "client"] = "gap"
    exclude: tuple[str, ...] = ()
    midnight: str | None = None
    campaign: TextField | None = None
    conversion: Predicate = event_type(PURCHASE)
    page_view: Predicate = event_type(PAGE_VIEW)

    def __post_init__(self) -> None:
        if not 0 < self.gap_ms <= self.longest_ms <= LONGEST_MS_MAX:
            raise UsageError(
                f"sessions can't have a gap of {self.gap_ms} ms and last {self.longest_ms} ms",
                "write a gap_ms above 0 and at most longest_ms, which is at most 7 days",
            )
        if self.by not in ("gap", "client"):
            raise UsageError(f"sessions can't go by {self.by!r}", 'write by="gap" or by="client"')
        if self.midnight is not None:
            check_time_zone(self.midnight)

    @property
    def kind(self) -> Literal["merging", "sequence"]:
        return "merging" if self.campaign is None else "sequence"

    @property
    def order(self) -> tuple[str, ...]:
        further = (("client", self.by == "client"), ("number", self.campaign is not None))
        return ("start", *(name for name, is_there in further if is_there))

    @property
    def columns(self) -> tuple[RowColumn, ...]:
        return (
            RowColumn("start", "integer"),
            *(RowColumn(name, _FURTHER[name]) for name in self.order[1:]),
            *(RowColumn(name, "integer") for name in ("end", *_COUNTS, "converted")),
            *(RowColumn(f"{end}_{part}", kind) for end in _BOTH for part, kind in _ENDS),
            *(RowColumn(name, "text") for name in ("products", "clients")),
            *(RowColumn(name, "integer") for name in ("product_count", "client_count")),
        )

    @property
    def fields(self) -> tuple[str, ...]:
        asked = {"eventId", "sessionId", "eventType", "productId", "pageUrl", "value"}
        asked |= fields_of_predicate(self.conversion) | fields_of_predicate(self.page_view)
        return tuple(sorted(asked | ({self.campaign} if self.campaign else set())))

    @property
    def reach(self) -> Reach:
        """A row lasts less than `longest_ms`; what comes a gap behind its end is another one."""
        gap_ms = self.longest_ms if self.by == "client" else self.gap_ms
        return Reach(self.longest_ms + gap_ms, gap_ms)

    @property
    def settled(self) -> str:
        """A gap after its end. One of the client's own goes on until it is as long as it may be."""
        by_gap = f"{{end}} + {self.gap_ms}"
        if self.by == "gap":
            return by_gap
        by_client = f"{{start}} + {self.longest_ms}"
        return f"CASE WHEN {{client}} = '' THEN {by_gap} ELSE {by_client} END"

    def shown(self, key: str) -> tuple[ShownColumn, ...]:
        client = ShownColumn("client", "text", "{client}", "The client's own id of the session")
        return (
            ShownColumn("id", "text", self._id(key), "Names the session, by its first event"),
            field_column(key),
            ShownColumn("session_start", "instant", "{start}", "Its first event"),
            ShownColumn("session_end", "instant", "{end}", "Its last event"),
            *((client,) if self.by == "client" else ()),
            *(ShownColumn(name, kind, sql, says) for name, kind, sql, says in _SHOWN),
        )

    def _id(self, key: str) -> str:
        """SQL for what names a session: when it began, what else tells it apart, and whose it is.
        Nothing but the last may have a tilde."""
        parts = {
            "client": "REPLACE(REPLACE({client}, '-', '--'), '~', '-t') || '~' || ",
            "number": "CAST({number} AS TEXT) || '~' || ",
        }
        further = "".join(parts[name] for name in self.order[1:])
        return f"CAST({{start}} AS TEXT) || '~' || {further}{{{key}}}"

    def relevant(self, events: pl.DataFrame) -> pl.DataFrame:
        if not self.exclude:
            return events
        return events.filter(~pl.col("eventType").is_in(list(self.exclude)))

    def rows(self, events: pl.DataFrame, key: str) -> pl.DataFrame:
        return self.join(events, self._no_rows(key), key).rows

    def narrowed(
        self, story: pl.DataFrame, events: pl.DataFrame, spans: pl.DataFrame, key: str
    ) -> tuple[pl.DataFrame, pl.Series] | None:
        return self.runs_touched(story, events, spans, key) if self.campaign is not None else None

    def join(self, events: pl.DataFrame, stored: pl.DataFrame, key: str) -> Joined:
        lifted = self._lifted(self.relevant(events), key)
        stored = stored.with_columns(pl.lit(True).alias("is_stored"))
        rows = pl.concat([stored, lifted], how="diagonal")
        primary_key = (key, *self.order)
        if rows.is_empty():
            nothing = self._no_rows(key)
            unchanged = pl.Series(dtype=pl.Boolean)
            return Joined(nothing, unchanged, nothing.select(primary_key), rows[key])
        unit = (key, "client") if self.by == "client" else (key,)
        if self.by == "client" or self.campaign:
            # Events at once that have no id stay as the story tells them, with their campaigns.
            at_once = ("end", "event_id") if self.campaign else ()
            rows = rows.sort(*unit, "start", *at_once, maintain_order=True)
        else:
            rows = by_key_and_time(rows, key, "start")
        begins = self._begins(rows, unit)
        firsts, sessions = np.flatnonzero(begins), numbered(begins)
        starts, ends = rows["start"].to_numpy(), rows["end"].to_numpy()
        is_stored = rows["is_stored"].fill_null(False).to_numpy()
        is_single = np.diff(np.append(firsts, len(begins))) == 1
        is_gone = is_stored & (starts != starts[firsts][sessions])
        # No stored row lasts as long; where one would, it ought to be cut in two.
        is_unsure = np.maximum.reduceat(ends, firsts) - starts[firsts] >= self.longest_ms
        return Joined(
            self._made(rows, begins, key),
            pl.Series(~(is_single & is_stored[firsts])),
            rows.filter(is_gone).select(primary_key)
            if is_gone.any()
            else rows.select(primary_key).clear(),
            rows[key].gather(firsts[is_unsure]).unique(),
            self._doubtful(rows, events, key),
        )

    def _doubtful(self, rows: pl.DataFrame, events: pl.DataFrame, key: str) -> pl.Series:
        """The keys that could have more events in an hour than a story tells: of so many, their
        rows tell. What is no activity is in no row, and might crowd out what is."""
        if self.exclude:
            return events[key].unique()
        counts = rows["event_count"].to_numpy()
        if counts.sum() < timeline.EVENTS_MAX:
            return rows[key].clear()
        firsts = np.flatnonzero(changes_in(rows, key))
        places = np.flatnonzero(np.add.reduceat(counts, firsts) >= timeline.EVENTS_MAX)
        return rows[key].gather(firsts[places])

    def started(self, events: pl.DataFrame, key: str) -> pl.DataFrame:
        """The events that are part of a session, with the `session_start` of each; for sessions
        that go by the gap."""
        told = in_order(self.relevant(events), key, "timestamp", stable=True)
        if told.is_empty():
            return told.with_columns(pl.col("timestamp").alias("session_start"))
        times = told["timestamp"].to_numpy()
        rows = told.select(
            key, pl.col("timestamp").alias("start"), pl.col("timestamp").alias("end")
        )
        begins = self._begins(rows, (key,))
        starts = pl.Series("session_start", times[np.flatnonzero(begins)][numbered(begins)])
        told = told.with_columns(starts)
        if not self.exclude:
            return told
        # What is no activity happens in a session if that goes on after it.
        others = events.filter(pl.col("eventType").is_in(list(self.exclude))).sort("timestamp")
        ends = told.group_by(key, "session_start").agg(pl.col("timestamp").max().alias("end"))
        beside = others.join_asof(
            ends.sort("session_start"),
            left_on="timestamp",
            right_on="session_start",
            by=key,
            check_sortedness=False,
        )
        inside = beside.filter(pl.col("timestamp") <= pl.col("end")).drop("end")
        return pl.concat([told, inside.select(told.columns)])

    def members(self, events: pl.DataFrame, key: str, start: int, number: int) -> pl.DataFrame:
        """The events of the session that starts at a time, of those that start at once the one of
        this number; for sessions that end where the campaign changes."""
        told = self.relevant(events).sort(key, "timestamp", "eventId", maintain_order=True)
        if told.is_empty():
            return told
        instant = pl.col("timestamp")
        rows = told.with_columns(instant.alias("start"), instant.alias("end"))
        begins = self._begins(rows, (key,))
        starts = told["timestamp"].to_numpy()[np.flatnonzero(begins)]
        numbers = np.flatnonzero(starts == start)
        wanted = numbers[number] if number < len(numbers) else -1
        return told.filter(pl.Series(numbered(begins) == wanted, dtype=pl.Boolean))

    def runs_touched(
        self, story: pl.DataFrame, events: pl.DataFrame, spans: pl.DataFrame, key: str
    ) -> tuple[pl.DataFrame, pl.Series]:
        """See `Step.narrowed`; for sessions that go by the gap. Whatever ends a session, none goes
        beyond a run of events that are less than the gap apart. So what a batch changes lies in the
        runs around it; where these reach to the ends of what was read, that was too little."""
        batch = (
            self.relevant(events)
            .group_by(key)
            .agg(pl.col("timestamp").min().alias("first"), pl.col("timestamp").max().alias("last"))
        )
        told = self.relevant(story).select(key, "timestamp")
        told = in_order(told.join(batch, on=key, maintain_order="left"), key, "timestamp")
        near = self._runs_near(told, key)
        beside = near.join(spans, on=key, suffix=" read")
        is_clear = (pl.col(RANGE_FROM) - self.gap_ms >= pl.col(f"{RANGE_FROM} read")) & (
            pl.col(RANGE_TO) + self.gap_ms <= pl.col(f"{RANGE_TO} read")
        )
        return beside.filter(is_clear).select(near.columns), beside.filter(~is_clear)[key]

    def _runs_near(self, told: pl.DataFrame, key: str) -> pl.DataFrame:
        """Of each key, from the beginning of the first run to the end of the last one that has
        something between `first` and `last`. Events are sorted by key and time."""
        nothing = pl.DataFrame(schema={key: pl.String, RANGE_FROM: pl.Int64, RANGE_TO: pl.Int64})
        if told.is_empty():
            return nothing
        times, begins = told["timestamp"].to_numpy(), changes_in(told, key)
        of_key = numbered(begins)
        begins[1:] |= times[1:] - times[:-1] >= self.gap_ms
        firsts = np.flatnonzero(begins)
        starts, ends = times[firsts], times[np.append(firsts[1:], len(times)) - 1] + 1
        first, last = told["first"].to_numpy()[firsts], told["last"].to_numpy()[firsts]
        near = np.flatnonzero((ends > first) & (starts <= last))
        if len(near) == 0:
            # What came is beyond what is told of an hour.
            return nothing
        keys = of_key[firsts[near]]
        begin = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        end = np.append(begin[1:], len(keys)) - 1
        return pl.DataFrame(
            {
                key: told[key].gather(firsts[near[begin]]),
                RANGE_FROM: starts[near[begin]],
                RANGE_TO: ends[near[end]],
            }
        )

    def _no_rows(self, key: str) -> pl.DataFrame:
        return empty_rows((RowColumn(key, "text"), *self.columns))

    def _lifted(self, events: pl.DataFrame, key: str) -> pl.DataFrame:
        """Each event as a session of its own. The sets it would bring stand as single hashes."""
        is_view = to_expression(self.page_view)
        event_id = pl.col("eventId").fill_null("")
        views = [
            pl.when(is_view).then(value).alias(f"{end}_{part}")
            for end in _BOTH
            for part, value in (("at", "timestamp"), ("id", event_id), ("page", "pageUrl"))
        ]
        client = pl.col("sessionId").fill_null("").alias("client")
        return events.select(
            key,
            pl.col("timestamp").alias("start"),
            *((client,) if self.by == "client" else ()),
            pl.col("timestamp").alias("end"),
            pl.lit(1, pl.Int64).alias("event_count"),
            is_view.cast(pl.Int64).alias("page_view_count"),
            *(
                pl.sql_expr(part.each).cast(pl.Int64).fill_null(0).alias(name)
                for part, name in ((_UNITS, "value_units"), (_MICROS, "value_micros"))
            ),
            to_expression(self.conversion).cast(pl.Int64).alias("converted"),
            *views,
            hashed(events["productId"]).alias("product"),
            hashed(events["sessionId"]).alias("client_id"),
            *((event_id.alias("event_id"), self.campaign) if self.campaign else ()),
        )

    def _begins(self, rows: pl.DataFrame, unit: tuple[str, ...]) -> Flags:
        """Which rows, sorted by unit and start, begin a session."""
        starts, ends = rows["start"].to_numpy(), rows["end"].to_numpy()
        of_unit = changes_in(rows, *unit)
        gap: int | Ints = self.gap_ms
        if self.by == "client":
            gap = np.where((rows["client"] == "").to_numpy(), self.gap_ms, self.longest_ms)[1:]
        begins = of_unit.copy()
        begins[1:] |= starts[1:] - running_max(ends, of_unit)[:-1] >= gap
        if self.midnight is not None:
            begins |= changes_in(rows.select(local_day(pl.col("start"), self.midnight)), "day")
        if self.campaign is not None:
            begins |= _changes_of_campaign(rows[self.campaign], begins)
        return self._cut(starts, ends, begins)

    def _cut(self, starts: Ints, ends: Ints, begins: Flags) -> Flags:
        """Let no session last `longest_ms`: from the start of a run, the first row so late begins
        the next one, and so on."""
        firsts = np.flatnonzero(begins)
        is_long = np.maximum.reduceat(ends, firsts) - starts[firsts] >= self.longest_ms
        if not is_long.any():
            return begins
        places = np.flatnonzero(is_long[numbered(begins)])
        runs = numbered(begins)[places]
        following = search_within(runs, starts[places], starts[places] + self.longest_ms)
        roots = np.flatnonzero(begins[places])
        cut = begins.copy()
        cut[places] |= reached(roots, following)
        return cut

    def _made(self, rows: pl.DataFrame, begins: Flags, key: str) -> pl.DataFrame:
        """One row a session."""
        firsts, sessions = np.flatnonzero(begins), numbered(begins)
        made = rows.select(key, *(name for name in self.order if name != "number"))[firsts]
        if self.campaign is not None:
            # Where the campaign changes within a millisecond, two sessions start together.
            made = made.with_columns(pl.int_range(pl.len()).over(made.columns).alias("number"))
        sums = [pl.Series(name, np.add.reduceat(rows[name].to_numpy(), firsts)) for name in _COUNTS]
        largest = [
            pl.Series(name, np.maximum.reduceat(rows[name].to_numpy(), firsts))
            for name in ("end", "converted")
        ]
        parts = [made.with_columns(*sums, *largest)]
        for end, latest in (("entry", False), ("exit", True)):
            columns = [f"{end}_{part}" for part, _ in _ENDS]
            found = first_in_group(sessions, rows.select(columns), latest=latest)
            parts.append(by_group(found, len(firsts)))
        for name, member, size in _SETS:
            found = joined(sessions, rows[name], rows[member], MEMBERS_MAX)
            parts.append(by_group(found.rename({"packed": name, "size": size}), len(firsts)))
        made = pl.concat(parts, how="horizontal")
        filled = made.with_columns(pl.col("product_count", "client_count").fill_null(0))
        return filled.select(self._no_rows(key).columns)


def _changes_of_campaign(campaigns: pl.Series, begins: Flags) -> Flags:
    """Which events bring another campaign than the last one before in their run."""
    frame = pl.DataFrame({"run": numbered(begins), "campaign": campaigns})
    before = pl.col("campaign").forward_fill().shift().over("run")
    return frame.select((pl.col("campaign") != before).fill_null(False))[:, 0].to_numpy()


_IS_ENGAGED = (
    f"({{end}} - {{start}} >= {ENGAGED_AFTER_MS} OR {{page_view_count}} >= 2 OR {{converted}} = 1)"
)
# By a constant, Polars would multiply with its inverse, which is another number.
_MILLION = "CAST({value_micros} * 0 + 1000000 AS DOUBLE PRECISION)"
_VALUE = (
    # Rounded once, as long as all millionths together are a whole number of 64 bits.
    "CASE WHEN {value_units} BETWEEN -9000000000000 AND 9000000000000"
    f" THEN CAST({{value_units}} * 1000000 + {{value_micros}} AS DOUBLE PRECISION) / {_MILLION}"
    " ELSE CAST({value_units} AS DOUBLE PRECISION)"
    f" + CAST({{value_micros}} AS DOUBLE PRECISION) / {_MILLION} END"
)
_SHOWN: tuple[tuple[str, ShownKind, str, str], ...] = (
    ("duration_ms", "integer", "({end} - {start})", "From the first event to the last"),
    ("event_count", "integer", "{event_count}", "How many events it has"),
    ("page_view_count", "integer", "{page_view_count}", "How many of them are page views"),
    ("value", "real", _VALUE, "The sum of their values"),
    ("is_converted", "flag", "({converted} = 1)", "It has a conversion"),
    ("is_bounce", "flag", "({page_view_count} = 1)", "It has one page view"),
    ("is_engaged", "flag", _IS_ENGAGED, "It has two page views, ten seconds, or a conversion"),
    ("entry_page", "text", "{entry_page}", "Where the first page view was"),
    ("exit_page", "text", "{exit_page}", "Where the last page view was"),
    ("product_count", "integer", "{product_count}", f"Products seen, up to {MEMBERS_MAX}"),
    ("client_count", "integer", "{client_count}", f"Ids of the client, up to {MEMBERS_MAX}"),
)
_FURTHER: dict[str, RowType] = {"client": "text", "number": "integer"}
_BOTH = ("entry", "exit")
_ENDS: tuple[tuple[str, Literal["integer", "text"]], ...] = (
    ("at", "integer"),
    ("id", "text"),
    ("page", "text"),
)
_SETS = (("products", "product", "product_count"), ("clients", "client_id", "client_count"))
