"""Events of a type are kept for so long, and no longer: their bytes go from the log, from the
stories that folds are made of, and from what was not counted. Counts stay.

What counted goes by its event's time, what did not by its intake. Marks in the log say up to when,
before a byte goes; an interrupted run is done again, and changes nothing where it was done. What
happened before a time that no open window or story reaches back to is told in no story any more:
else something that comes in late would make rows anew from what is left.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import polars as pl

from rtcdp.admission.batch import ADMITTED
from rtcdp.admission.event_id_index import CLOCK_SLACK_MS
from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.clock import EARLIEST_MS, HOUR_MS, Clock
from rtcdp.definitions import Fold
from rtcdp.engines.commit import RetryPolicy, commit_for_sure
from rtcdp.engines.decided import decided_batches
from rtcdp.engines.folding import Folding
from rtcdp.folds.timeline import Telling, aged
from rtcdp.log.aged import Aged, AgingLog
from rtcdp.log.contract import LogReader
from rtcdp.store import Epoch, EpochSpan, Erasure, RowChanges, RowScan, Store, UncountedScan

TURN_S = 1.0
"""So long counting waits at most, about, before it goes on, and this at its next turn."""

_PAGE = 2_000
_KEPT_OF_UNCOUNTED = ("partition", "offset", "source", "received_at", "verdict", "reason", "step")

Place = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True)
class KeptByType:
    """For how long (ms) events are kept, by type; others as long as everything is. A run begins
    every `every_s`."""

    kept_ms: Mapping[str, int]
    every_s: float

    @property
    def shortest_ms(self) -> int:
        return min(self.kept_ms.values())


def reach_of(folds: Iterable[Fold]) -> int:
    """How long (ms) before an event lies what it may still change, of all of these folds that reach
    so far and no farther."""
    reaches = (fold.step.reach for fold in folds)
    return max((r.before_ms + r.slice_ms for r in reaches if r.before_ms is not None), default=0)


def whole_stories(folds: Iterable[Fold]) -> tuple[str, ...]:
    """The names of those folds that make all rows of a key anew of its whole story, whenever
    something is added to it: they would forget what is kept for no longer."""
    return tuple(
        fold.name
        for fold in folds
        if fold.step.kind == "sequence" and fold.step.reach.before_ms is None
    )


class Aging:
    """Lets events go, a turn at a time, for the only writer to a store, while nothing is under way.

    Commits are tried again by `patience`. Raises what log and store raise; what was begun is begun
    again then.
    """

    def __init__(
        self,
        log: LogReader,
        store: Store,
        clock: Clock,
        kept: KeptByType,
        folding: Callable[[], Folding],
        patience: RetryPolicy,
    ) -> None:
        self._log, self._store, self._clock = log, store, clock
        self._kept = kept
        self._folding = folding
        self._patience = patience
        self._steps: Iterator[None] | None = None
        self._began_at: float | None = None
        self._waits_for: dict[int, int] = {}

    def work(self, now_ms: int, needed_from: Mapping[int, int], *, at_once: bool = False) -> None:
        """Go on with a run, or begin one if it is time; to its end with `at_once`. `now_ms` is a
        time that can be trusted, `needed_from` the first offsets that something else needs. What a
        run had to leave for that has one of its own when it is needed no more."""
        began_at = self._clock.monotonic()
        if self._steps is None:
            is_due = self._began_at is None or began_at - self._began_at >= self._kept.every_s
            is_free = bool(self._waits_for) and all(
                needed_from.get(partition, 0) >= end for partition, end in self._waits_for.items()
            )
            if not (is_due or is_free or at_once):
                return
            if is_due or at_once:
                self._began_at = began_at
            self._waits_for = {}
            self._steps = self._run(now_ms, needed_from, is_again=not (is_due or at_once))
        steps, self._steps = self._steps, None
        try:
            for _ in steps:
                if not at_once and self._clock.monotonic() - began_at >= TURN_S:
                    self._steps = steps
                    return
        except BaseException:
            self._began_at = None
            raise

    def _run(
        self, now_ms: int, needed_from: Mapping[int, int], *, is_again: bool
    ) -> Iterator[None]:
        log = self._log
        assert isinstance(log, AgingLog)
        horizon, before = self._horizon(now_ms), log.aged()
        now = self._begun(log, before, horizon, max(needed_from.values(), default=0))
        left = [s for s in self._old_spans(now) if s.next_offset > before.done_offset]
        free_to = {span.partition: needed_from.get(span.partition, 0) for span in left}
        if not is_again:
            # Where records keep coming that are old already, there would be no end to it.
            ends = ((span.partition, span.next_offset) for span in left)
            self._waits_for = {p: end for p, end in sorted(ends) if end > free_to[p]}
        is_free = any(end > before.done_offset for end in free_to.values())
        if now.until == before.until and before.is_done and not is_free:
            return
        yield from self._timelines(now)
        yield from self._counted(now, needed_from)
        yield from self._uncounted(horizon)
        log.overwrite_aged()
        yield
        if not self._store.erased_users(only_pending=True):
            # Else that is done when these are out of the log, too.
            self._store.end_erasures()
        reached = min(needed_from.values(), default=0)
        log.note_aged(replace(now, done=now.until, done_offset=reached))

    def _horizon(self, now_ms: int) -> int:
        """A time (UTC ms) before which nothing comes in any more."""
        waiting = (
            self._log.oldest_received_at(partition, end)
            for partition, end in self._store.progress().next_offsets.items()
        )
        return min([now_ms, *(time for time in waiting if time is not None)]) - CLOCK_SLACK_MS

    def _begun(self, log: AgingLog, before: Aged, horizon: int, end: int) -> Aged:
        """Set the marks, and tell no older stories from here on."""
        until = dict(before.until)
        for name, kept_ms in self._kept.kept_ms.items():
            until[name] = max(
                (horizon - kept_ms) // HOUR_MS * HOUR_MS, until.get(name, EARLIEST_MS)
            )
        folding = self._folding()
        # What reads whole hours and slices reads a little more than it reaches.
        stories_from = max(until.values()) + reach_of(folding.folds) + HOUR_MS
        stories_from = max(stories_from, before.told_from)
        now = replace(before, until=until, counted_offset=end, stories_from=stories_from)
        if now != before:
            log.note_aged(now)
        folding.begin_stories(stories_from)
        for telling in folding.tellings:
            self._store.limit_completeness(telling.table.name, stories_from)
        return now

    def _timelines(self, now: Aged) -> Iterator[None]:
        """Take the events out of the stories that are told from."""
        for telling in self._folding().tellings:
            for start, end in _ranges(now):
                for page in self._pages(telling, start, end):
                    change = aged(page, telling, now.until)
                    if not change.before.is_empty():
                        rows = RowChanges(
                            telling.table, change.delete, change.replace, change.before
                        )
                        self._commit(rows=(rows,))
                    yield

    def _pages(self, telling: Telling, start: int, end: int) -> Iterator[pl.DataFrame]:
        table = telling.table
        scan = RowScan(table, time_from=start, time_to=end, limit=_PAGE)
        while True:
            with self._store.snapshot() as snapshot:
                page = snapshot.row_scan(scan)
            if not page.is_empty():
                yield page
            if page.height < scan.limit:
                return
            scan = replace(scan, after=page.select(table.primary_key).row(-1))

    def _counted(self, now: Aged, needed_from: Mapping[int, int]) -> Iterator[None]:
        """Take what was counted out of the log. Records whose ids may come again wait."""
        assert isinstance(self._log, AgingLog)
        for partition, start, end in self._stretches(now, needed_from):
            batches = decided_batches(
                self._log, self._store, {partition: start}, {partition: end}, ("eventType",)
            )
            for decided in batches:
                types = decided.events["eventType"]
                ends = types.replace_strict(now.until, default=None, return_dtype=pl.Int64)
                is_old = (decided.events["timestamp"] < ends).fill_null(False).to_numpy()
                offsets = decided.offsets[is_old & (decided.verdicts == ADMITTED)].tolist()
                if offsets:
                    self._log.age({partition: offsets})
                yield

    def _stretches(self, now: Aged, needed_from: Mapping[int, int]) -> list[tuple[int, int, int]]:
        """Partition, first and next offset of what may hold events that are to go, in log order,
        each once."""
        with self._store.snapshot() as snapshot:
            spans = [span for times in _ranges(now) for span in snapshot.spans(*times)]
        spans += [span for span in self._old_spans(now) if span.next_offset > now.done_offset]
        found = []
        for span in set(spans):
            first = self._log.extent(span.partition).first_offset
            start, end = max(span.first_offset, first), span.next_offset
            end = min(end, needed_from.get(span.partition, 0))
            if start < end:
                found.append((span.partition, start, end))
        return sorted(found)

    def _old_spans(self, now: Aged) -> Sequence[EpochSpan]:
        """What holds events that are kept for no longer, now or before."""
        with self._store.snapshot() as snapshot:
            return snapshot.spans(EARLIEST_MS, max(now.until.values()))

    def _uncounted(self, horizon: int) -> Iterator[None]:
        """Take the bytes and ids out of what was not counted, in the store and in the log."""
        assert isinstance(self._log, AgingLog)
        scan = UncountedScan(after=(horizon - self._kept.shortest_ms, 0, 0), limit=_PAGE)
        while True:
            with self._store.snapshot() as snapshot:
                page = snapshot.uncounted(scan)
            old = [row for row in page.iter_rows(named=True) if self._is_old(row, horizon)]
            if old:
                places = _by_partition((row["partition"], row["offset"]) for row in old)
                self._log.age(places)
                self._commit(uncounted=_standing_in(old))
            yield
            if page.height < scan.limit:
                return
            scan = replace(scan, after=page.select("received_at", "partition", "offset").row(-1))

    def _is_old(self, row: Mapping[str, object], horizon: int) -> bool:
        """Whether an uncounted record holds anything, and is kept for no longer. Where nobody can
        tell its type, it may be of the one that is kept the shortest."""
        if row["raw"] is None and row["user_id"] is None and row["event_id"] is None:
            return False
        raw, received_at = row["raw"], row["received_at"]
        assert isinstance(received_at, int)
        name = type_in(raw) if isinstance(raw, bytes) else None
        kept_ms = self._kept.shortest_ms if name is None else self._kept.kept_ms.get(name)
        return kept_ms is not None and received_at < horizon - kept_ms

    def _commit(
        self, rows: Sequence[RowChanges] = (), uncounted: pl.DataFrame | None = None
    ) -> None:
        nothing = UNCOUNTED_SCHEMA.to_frame()
        epoch = Epoch(
            number=self._store.progress().epoch + 1,
            spans=(),
            changes=(),
            ledger=LEDGER_SCHEMA.to_frame(),
            uncounted=nothing if uncounted is None else uncounted,
            committed_at=self._clock.now_ms(),
            rows=tuple(rows),
            erasure=Erasure(None),
        )
        commit_for_sure(self._store, epoch, self._patience)


class _Typed(msgspec.Struct):
    eventType: str | None = None  # noqa: N815


def type_in(raw: bytes) -> str | None:
    """The type that a record names, whatever is wrong with it; None where it can't be read."""
    try:
        return msgspec.json.decode(raw, type=_Typed).eventType
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _ranges(now: Aged) -> list[tuple[int, int]]:
    """The times (UTC ms) that no finished run has looked at, of each type."""
    times = {(now.done.get(name, EARLIEST_MS), until) for name, until in now.until.items()}
    return sorted((start, end) for start, end in times if start < end)


def _by_partition(places: Iterable[Place]) -> dict[int, list[int]]:
    offsets: dict[int, list[int]] = {}
    for partition, offset in places:
        offsets.setdefault(partition, []).append(offset)
    return offsets


def _standing_in(rows: Collection[Mapping[str, object]]) -> pl.DataFrame:
    """What is left of uncounted records: their places, when and from where they came, and why they
    were not counted."""
    kept = [{name: row[name] for name in _KEPT_OF_UNCOUNTED} for row in rows]
    return pl.DataFrame(kept, UNCOUNTED_SCHEMA).sort("partition", "offset")
