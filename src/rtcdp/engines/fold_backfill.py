"""Backfill of folds: timelines from the log, and rows from the timelines.

A timeline that is new, or was left alone for a while, is told what the log still holds. Rows are
then made of whole stories, key by key; so a new fold reaches back as far as the timeline does,
which may be farther than the log. What is interrupted goes on with the timeline where it stopped,
and makes rows anew, which changes nothing in those that are there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import polars as pl

from rtcdp.admission.batch import ADMITTED
from rtcdp.clock import EARLIEST_MS, LATEST_MS
from rtcdp.definitions import RANGE_FROM, RANGE_TO, Fold, RowTable
from rtcdp.engines.backfill import Step, fill, limit_to_log
from rtcdp.engines.commit import Listeners
from rtcdp.engines.decided import Rounds, decided_batches
from rtcdp.engines.folding import Folding
from rtcdp.engines.stored_rows import StoredRows
from rtcdp.engines.timeline import Timeline
from rtcdp.folds.kernel import EventsByKey, RowsByKey, changing_from, of_lost_stories
from rtcdp.folds.rows import difference
from rtcdp.folds.timeline import Telling, timeline_of
from rtcdp.log.aged import aged_of
from rtcdp.log.contract import LogReader
from rtcdp.store import RowChanges, Store

PAGE_ROWS = 5_000
"""So many rows of a timeline are looked at together; their keys' stories are read whole."""


Page = tuple[pl.DataFrame, int]
"""Keys whose stories are to be told anew, and how many events the rows looked at stand for."""


class Way(Protocol):
    """Where a backfill is worked out: in this process, or in others."""

    def told(
        self, telling: Telling, starts: Mapping[int, int], ends: Mapping[int, int]
    ) -> Iterator[Step]:
        """What the records `[start, end)` of all partitions tell, a part at a time: chunks under
        numbers that no epoch has."""
        ...

    def whole(self, fold: Fold, pages: Iterator[Page]) -> Iterator[tuple[RowChanges, int]]:
        """What makes the rows of these keys what their stories say, of one page or more at a time;
        and for how many events these stand."""
        ...


def fill_folds(
    log: LogReader, store: Store, folding: Folding, way: Way, listeners: Listeners
) -> None:
    """Bring every fold that needs it, and what it reads, up to the store's progress.

    Counts what the store has recorded as admitted. Where the log no longer holds what should be
    told, the store remembers from which time on stories are whole, and the rows made of them.
    """
    limit_to_log(log, store, folding.tables)
    for telling in folding.tellings:
        if store.backfill_offsets(telling.table.name) is not None:
            fill(log, store, telling.table, partial(way.told, telling), listeners)
    for fold in folding.folds:
        if store.backfill_offsets(fold.name) is not None:
            _fill_from_stories(store, fold, way, listeners)


@dataclass(frozen=True)
class InThisProcess:
    """A backfill that is worked out here, the log read in `rounds`."""

    log: LogReader
    store: Store
    rounds: Rounds

    def told(
        self, telling: Telling, starts: Mapping[int, int], ends: Mapping[int, int]
    ) -> Iterator[Step]:
        """See `Way`."""
        fields = fields_told(telling)
        timeline, reached = Timeline(self.store, telling), dict(starts)
        timeline.begins = aged_of(self.log).told_from
        for decided in decided_batches(self.log, self.store, starts, ends, fields, self.rounds):
            timeline.take(decided.events.filter(decided.verdicts == ADMITTED))
            # Where a slice was interrupted, some of it may be there.
            changes = replace(timeline.changes(chunk_number(reached)), before=None)
            reached |= {piece.partition: piece.next_offset for piece in decided.pieces}
            yield Step([changes], dict(reached), len(decided.rejected), LOST)
            timeline.committed()

    def whole(self, fold: Fold, pages: Iterator[Page]) -> Iterator[tuple[RowChanges, int]]:
        """See `Way`."""
        telling, stored = timeline_of(fold), StoredRows(self.store, fold.table)
        for keys, event_count in pages:
            story = Timeline(self.store, telling)
            yield told_anew(fold, story, stored, keys, aged_of(self.log).told_from), event_count


LOST = "because they can't be read any more"
"""Why records that were counted once are not told."""


def fields_told(telling: Telling) -> tuple[str, ...]:
    """The fields of events that are to be decoded for a timeline."""
    return tuple(sorted({*telling.columns} - {"timestamp", "source"}))


def chunk_number(reached: Mapping[int, int]) -> int:
    """The number of the chunks that are told from these offsets on: below those of epochs; what is
    filled later has been read from farther on."""
    return -1 - sum(reached.values())


def told_anew(
    fold: Fold,
    story: EventsByKey,
    stored: RowsByKey,
    keys: pl.DataFrame,
    told_from: int = EARLIEST_MS,
) -> RowChanges:
    """What makes the rows of these keys what their stories say. Rows that nothing from `told_from`
    on (UTC ms) can change stay as they are, for their events may be gone."""
    spans = keys.with_columns(
        pl.lit(EARLIEST_MS).alias(RANGE_FROM), pl.lit(LATEST_MS).alias(RANGE_TO)
    )
    there = stored.rows(spans)
    standing = of_lost_stories(fold, there, told_from)
    told = fold.step.relevant(story.events(spans))
    after = fold.step.rows(told, fold.key)
    before, after = (_open(fold, rows, standing, told_from) for rows in (there, after))
    change = difference(before, after, fold.primary_key)
    return RowChanges(fold.table, change.delete, change.replace)


def _open(fold: Fold, rows: pl.DataFrame, standing: pl.Series, told_from: int) -> pl.DataFrame:
    """The rows that may change."""
    begins = pl.col(fold.step.order[0]) >= changing_from(fold, told_from)
    return rows.filter(begins, ~pl.col(fold.key).is_in(standing.implode()))


def _fill_from_stories(store: Store, fold: Fold, way: Way, listeners: Listeners) -> None:
    telling = timeline_of(fold)
    with store.snapshot() as snapshot:
        complete_from = snapshot.complete_from(telling.table.name)
        event_count = snapshot.ledger_totals()["admitted"]
        # It is asked for the rows of nobody knows how many epochs ago.
        offsets = dict.fromkeys(snapshot.progress.next_offsets, 0)
    if complete_from is not None:
        store.limit_completeness(fold.name, complete_from)
    told_count = 0
    for change, page_count in way.whole(fold, _pages(store, telling.table)):
        store.commit_backfill(fold.name, [change], offsets, complete=False)
        told_count += page_count
        listeners.on_slice()
        listeners.on_filling(fold.name, min(1.0, told_count / max(1, event_count)))
    store.commit_backfill(fold.name, (), offsets, complete=True)


def _pages(store: Store, table: RowTable) -> Iterator[Page]:
    """All keys of a timeline, some at a time, each once; and how many events the looked-at rows
    stand for."""
    key, last = table.group_key, None
    for page in _row_pages(store, table):
        keys = page.select(key).unique(maintain_order=True)
        fresh = keys if last is None else keys.filter(pl.col(*key) != last)
        last = keys.item(-1, 0)
        if not fresh.is_empty():
            yield fresh, int(page["event_count"].sum())


def _row_pages(store: Store, table: RowTable) -> Iterator[pl.DataFrame]:
    after: tuple[int | str, ...] | None = None
    while True:
        with store.snapshot() as snapshot:
            page = snapshot.row_page(table, after=after, limit=PAGE_ROWS)
        if not page.is_empty():
            yield page
        if page.height < PAGE_ROWS:
            return
        after = page.select(table.primary_key).row(-1)
