"""The kernel: from a batch of events to what changes among a fold's stored rows.

It is one pure function for every fold and every engine. What it reads comes from two places that
are asked by key and span; what it gives is a difference, small as the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from rtcdp.clock import EARLIEST_MS, HOUR_MS, LATEST_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold
from rtcdp.folds.rows import Difference, changing, difference, empty_rows
from rtcdp.folds.timeline import full_hours, may_be_full

ASKED_SLICE_MS = 3_600_000
"""Rows are asked for from the beginning of an hour on: so an event that is a little out of order
finds what it needs where that was remembered."""

_IS_TOUCHED = "is touched"


class RowsByKey(Protocol):
    """Stored rows of one fold."""

    def rows(self, spans: pl.DataFrame) -> pl.DataFrame:
        """All rows of the keys whose time lies in their span; it may give later ones, too. `spans`
        has the key, `from` and `to`, and each key once."""
        ...


class EventsByKey(Protocol):
    """The stories of keys up to and with this batch, as the timeline tells them."""

    def events(self, spans: pl.DataFrame) -> pl.DataFrame:
        """All events of the keys in their spans, those of the batch among them, with the key,
        `timestamp` and the fold's fields, in any order; it may give others of these keys, too."""
        ...


@dataclass(frozen=True)
class Folded:
    """What a batch changes, and all that is known after it: of each key in `spans`, the `rows` from
    its `from` on. Of the keys in `forgotten`, spans as well, there were too many rows to keep."""

    difference: Difference
    spans: pl.DataFrame
    rows: pl.DataFrame
    forgotten: pl.DataFrame

    @property
    def touched(self) -> pl.DataFrame:
        """The spans of all keys, whether their rows are known or not."""
        return pl.concat([self.spans, self.forgotten])

    def without_rows(self) -> "Folded":
        """The same change, where there are too many rows to keep."""
        return Folded(self.difference, self.spans.clear(), self.rows.clear(), self.touched)


def _known(difference: Difference, spans: pl.DataFrame, rows: pl.DataFrame) -> Folded:
    return Folded(difference, spans, rows, spans.clear())


def together(parts: Sequence[Folded]) -> Folded:
    """What came of the parts of a batch, which have no key in common."""
    if len(parts) == 1:
        return parts[0]
    differences = [part.difference for part in parts]
    columns = parts[0].spans.columns
    return Folded(
        Difference(
            pl.concat([each.delete for each in differences]),
            pl.concat([each.replace for each in differences]),
            pl.concat([each.before for each in differences]),
        ),
        pl.concat([part.spans.select(columns) for part in parts]),
        pl.concat([part.rows for part in parts]),
        pl.concat([part.forgotten.select(columns) for part in parts]),
    )


def fold_batch(
    fold: Fold,
    events: pl.DataFrame,
    stored: RowsByKey,
    story: EventsByKey,
    told_from: int = EARLIEST_MS,
) -> Folded:
    """Fold a batch of admitted events into the stored rows of one fold.

    `story` is asked by sequences, and by merging steps for the few keys whose rows tell too little.
    No event of the batch happened before `told_from` (UTC ms); rows that none from there on can
    change stay as they are, for their events may be gone.
    """
    key = fold.key
    events = fold.step.relevant(events.filter(pl.col(key).is_not_null()))
    spans = touched(fold, events)
    if spans.is_empty():
        nothing = empty_rows(fold.columns)
        none = Difference(nothing.select(fold.primary_key), nothing, nothing)
        return _known(none, spans, nothing)
    if fold.step.kind == "sequence":
        return _retold(fold, events, spans, stored, story, told_from)
    spans = spans.with_columns(_from_slice())
    before = stored.rows(spans)
    joined = fold.step.join(events, before, key)
    changed = joined.rows.filter(joined.is_changed)
    change = changing(before, joined.gone, changed, fold.primary_key)
    unsure = joined.unsure
    if joined.doubtful is not None and not joined.doubtful.is_empty():
        unsure = pl.concat([unsure, _crowded(events, joined.doubtful, key, story)]).unique()
    unsure = _without(unsure, of_lost_stories(fold, before, told_from))
    if unsure.is_empty():
        return _known(change, spans, joined.rows)
    is_unsure = pl.col(key).is_in(unsure.implode())
    whole = spans.filter(is_unsure).with_columns(
        pl.lit(EARLIEST_MS).alias(RANGE_FROM), pl.lit(LATEST_MS).alias(RANGE_TO)
    )
    retold = _retold(fold, events.filter(is_unsure), whole, stored, story, told_from)
    return _known(
        Difference(
            pl.concat([change.delete.filter(~is_unsure), retold.difference.delete]),
            pl.concat([change.replace.filter(~is_unsure), retold.difference.replace]),
            pl.concat([change.before.filter(~is_unsure), retold.difference.before]),
        ),
        pl.concat([spans.filter(~is_unsure), retold.spans]),
        pl.concat([joined.rows.filter(~is_unsure), retold.rows]),
    )


def _crowded(events: pl.DataFrame, doubtful: pl.Series, key: str, story: EventsByKey) -> pl.Series:
    """Which of these keys have as many events in an hour of the batch as are told, or more. Stories
    tell the first ones, whatever came when; so what is said of such a key is made of its story."""
    hour = pl.col("timestamp") // HOUR_MS * HOUR_MS
    hours = events.filter(pl.col(key).is_in(doubtful.implode())).select(key, hour.alias("hour"))
    spans = hours.group_by(key).agg(
        pl.col("hour").min().alias(RANGE_FROM), (pl.col("hour").max() + HOUR_MS).alias(RANGE_TO)
    )
    full = full_hours(story.events(spans), key)
    return full.join(hours, on=[key, "hour"], how="semi")[key].unique()


def touched(fold: Fold, events: pl.DataFrame) -> pl.DataFrame:
    """The keys of a batch, each with the span of the rows that it can change."""
    instant, reach = pl.col("timestamp"), fold.step.reach
    first, end = pl.lit(EARLIEST_MS), pl.lit(LATEST_MS)
    if reach.before_ms is not None:
        first = (instant.min() - reach.before_ms) // reach.slice_ms * reach.slice_ms
    if reach.after_ms is not None:
        end = ((instant.max() + reach.after_ms) // reach.slice_ms + 1) * reach.slice_ms
    return events.group_by(fold.key).agg(first.alias(RANGE_FROM), end.alias(RANGE_TO))


def changing_from(fold: Fold, told_from: int) -> int:
    """When the first row begins (UTC ms) that an event from `told_from` on can change, where its
    fold doesn't look back on everything."""
    reach = fold.step.reach
    if reach.before_ms is None or told_from <= EARLIEST_MS:
        return EARLIEST_MS
    return (told_from - reach.before_ms) // reach.slice_ms * reach.slice_ms


def of_lost_stories(fold: Fold, rows: pl.DataFrame, told_from: int) -> pl.Series:
    """The keys whose one row hangs on everything, and on what may be gone: it stands."""
    if fold.step.reach.before_ms is not None:
        return rows[fold.key].clear()
    return rows.filter(pl.col(fold.step.order[0]) < told_from)[fold.key].unique()


def _without(keys: pl.Series, others: pl.Series) -> pl.Series:
    return keys if others.is_empty() else keys.filter(~keys.is_in(others.implode()))


def _retold(
    fold: Fold,
    events: pl.DataFrame,
    spans: pl.DataFrame,
    stored: RowsByKey,
    story: EventsByKey,
    told_from: int,
) -> Folded:
    """Rows made of the events themselves. Those that begin in a span look ahead from there."""
    key, time, ahead = fold.key, fold.step.order[0], fold.step.reach.before_ms
    end = pl.lit(LATEST_MS) if ahead is None else pl.col(RANGE_TO) + ahead
    asked = spans.with_columns(end.alias(RANGE_TO))
    whole_story = story.events(asked)
    told = fold.step.relevant(whole_story)
    found = fold.step.narrowed(told, events, asked, key)
    if found is not None:
        narrow, unclear = found
        spans = spans.drop(RANGE_TO, RANGE_FROM).join(narrow, on=key)
        if not unclear.is_empty():
            # Too little was read of these stories.
            whole = asked.filter(pl.col(key).is_in(unclear.implode())).with_columns(
                pl.lit(EARLIEST_MS).alias(RANGE_FROM), pl.lit(LATEST_MS).alias(RANGE_TO)
            )
            more = fold.step.relevant(story.events(whole))
            told = pl.concat([told.join(whole, on=key, how="anti"), more.select(told.columns)])
            spans = pl.concat([spans, whole.select(spans.columns)])
    spans = spans.with_columns(pl.col(RANGE_FROM).clip(changing_from(fold, told_from)))
    units = _touched_units(fold, events, whole_story)
    if units is not None:
        told = told.join(units, on=units.columns, how="semi")
    after, _ = _parted(fold.step.rows(told, key), spans, key, time)
    asked = spans.with_columns(_from_slice())
    before, others = _parted(stored.rows(asked), spans, key, time, units)
    # What lies before and behind the span is known as well, as far as it was given, and stays.
    known = pl.concat([after, others])
    return _known(difference(before, after, fold.primary_key), asked, known)


def _from_slice() -> pl.Expr:
    return pl.col(RANGE_FROM).clip(EARLIEST_MS) // ASKED_SLICE_MS * ASKED_SLICE_MS


def _touched_units(fold: Fold, events: pl.DataFrame, story: pl.DataFrame) -> pl.DataFrame | None:
    """The units of a batch, where a step has any and no other can change: an hour that is full
    takes in an event of one, and what it no longer tells may be of another."""
    if not fold.step.apart:
        return None
    if may_be_full(story.height):
        longest = story[fold.key].value_counts()["count"].max()
        if may_be_full(longest):  # type: ignore[arg-type]
            return None
    return events.select(fold.key, *fold.step.apart).unique()


def _parted(
    rows: pl.DataFrame,
    spans: pl.DataFrame,
    key: str,
    time: str,
    units: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that lie in the spans of their keys, and are of these units, and all others."""
    beside = rows.join(spans, on=key, how="left", maintain_order="left")
    is_inside = (pl.col(time) >= pl.col(RANGE_FROM)) & (pl.col(time) < pl.col(RANGE_TO))
    if units is not None:
        marked = units.with_columns(pl.lit(True).alias(_IS_TOUCHED))
        beside = beside.join(marked, on=units.columns, how="left", maintain_order="left")
        is_inside &= pl.col(_IS_TOUCHED)
    inside = beside.select(is_inside.fill_null(False)).to_series()
    return rows.filter(inside), rows.filter(~inside)
