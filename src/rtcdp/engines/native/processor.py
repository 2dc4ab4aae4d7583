"""The loop of the native engine: read, screen, admit, fold, commit.

The store is the state. The only thing kept in memory between two epochs is the index of seen ids,
which is rebuilt from the log's tail. Batches grow with the backlog: what is there is taken, up to a
limit, so that an idle system answers at once and one that is behind catches up in big steps.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from rtcdp.clock import Clock
from rtcdp.engines.engine import Epoch, EpochSpan
from rtcdp.engines.native.admission import AdmittedBatch, Screened, admit, screen
from rtcdp.engines.native.backfill import backfill
from rtcdp.engines.native.limits import ProcessorLimits, StoreRetention
from rtcdp.engines.native.lowering import changes_of, fields_of
from rtcdp.engines.native.recovery import seen_ids_until
from rtcdp.events.rules import AdmissionRules
from rtcdp.events.seen_ids import SeenIds
from rtcdp.log.limits import Retention
from rtcdp.log.log import LogReader, LogUnavailable, OffsetsMissing
from rtcdp.store.store import EpochRefused, Progress, Store, StoreUnavailable
from rtcdp.vocabulary.metric import Metric

_EXPIRY_AHEAD_MS = 86_400_000


@dataclass(frozen=True)
class EpochReport:
    """What one epoch did, for whoever watches: its number, the records read, how many of them were
    admitted, and how long it took from the read to the commit."""

    epoch: int
    partition: int
    next_offset: int
    record_count: int
    admitted_count: int
    duration_ms: float
    forgotten_ids: int


class Processor:
    """Folds a log into a store, one epoch after another. One processor a store at a time.

    `on_epoch` is called after every commit, from the thread that runs the loop; `on_trouble` with
    a sentence whenever the log or the store can't be reached and it will try again, and when event
    ids had to be forgotten before their time.
    """

    def __init__(
        self,
        log: LogReader,
        store: Store,
        metrics: Sequence[Metric],
        rules: AdmissionRules,
        clock: Clock,
        limits: ProcessorLimits = ProcessorLimits(),
    ) -> None:
        self._log = log
        self._store = store
        self._metrics = tuple(metrics)
        self._fields = fields_of(metrics)
        self._rules = rules
        self._clock = clock
        self._limits = limits
        self._progress = Progress()
        self._seen = SeenIds(rules.dedup_window_ms, limits.seen_ids_capacity)
        self._ahead: tuple[int, int, Future[Screened]] | None = None
        self._expired_at = clock.monotonic()
        self._stop = threading.Event()
        self.log_retention: Retention | None = None
        self.store_retention: StoreRetention | None = None
        self.on_epoch: Callable[[EpochReport], None] = lambda _: None
        self.on_trouble: Callable[[str], None] = lambda _: None

    @property
    def progress(self) -> Progress:
        return self._progress

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Process until `stop` is set, or with `once` until the log's end is reached.

        While the log or the store can't be reached, it says so to `on_trouble` and tries again.
        Raises `EpochRefused` when another engine has taken over the store, and `OffsetsMissing`
        when the log no longer holds what comes next, or never did.
        """
        self._stop = stop
        # Polars' streaming engine takes longer to start than most batches to fold.
        with pl.Config(engine_affinity="in-memory"), ThreadPoolExecutor(1, "screen") as ahead:
            is_ready = False
            while not stop.is_set():
                try:
                    if not is_ready:
                        self.recover()
                        is_ready = True
                    if self._round(ahead):
                        continue
                    if once:
                        return
                    self._log.wait(self._next_offsets(), self._limits.poll_s)
                except (StoreUnavailable, LogUnavailable) as error:
                    self.on_trouble(f"{error}; trying again")
                    stop.wait(self._limits.retry_s)

    def _round(self, ahead: ThreadPoolExecutor) -> bool:
        """One batch of each partition; True if there was any."""
        started = self._clock.monotonic()
        worked = [self._process(partition, ahead) for partition in self._log.partitions()]
        self._expire_if_due()
        if any(worked):
            self._stop.wait(started + self._limits.epoch_every_s - self._clock.monotonic())
            return True
        return False

    def recover(self) -> None:
        """Prepare the store, read where it stands, fill new metrics, remember the last ids."""
        self._store.prepare(self._metrics)
        self._progress = self._store.progress()
        self._ahead = None
        self._check_log()
        backfill(self._log, self._store, self._metrics, self._rules, self._limits.max_batch_bytes)
        self._seen = seen_ids_until(
            self._log,
            self._next_offsets(),
            SeenIds(self._rules.dedup_window_ms, self._limits.seen_ids_capacity),
            self._rules,
        )

    def _check_log(self) -> None:
        for partition, next_offset in self._progress.next_offsets.items():
            end = self._log.extent(partition).next_offset
            if next_offset > end:
                raise OffsetsMissing(
                    f"the store has counted partition {partition} of the log up to offset "
                    f"{next_offset}, but the log ends at {end}: it was replaced or cut off",
                    "give a new log a store of its own, or bring the old log back",
                )

    def step(self) -> bool:
        """Process what every partition holds now, at most one batch each; True if there was any.

        For tests and tools that drive the engine by hand, after `recover`.
        """
        worked = [self._process(partition, None) for partition in self._log.partitions()]
        return any(worked)

    def _process(self, partition: int, ahead: ThreadPoolExecutor | None) -> bool:
        started = time.perf_counter()
        screened = self._screened(partition)
        records = screened.records
        if len(records) == 0:
            return False
        if ahead is not None and len(records.lines) >= self._limits.max_batch_bytes // 4:
            following = ahead.submit(self._read, partition, records.next_offset)
            self._ahead = (partition, records.next_offset, following)
        forgotten = self._seen.forgotten_early
        batch = admit(screened, self._seen)
        if self._seen.forgotten_early > forgotten:
            self.on_trouble(
                f"{self._seen.forgotten_early - forgotten:,} event ids were forgotten before the "
                "dedup window ended: repeats of them would count; raise processor.seen_ids_capacity"
            )
        epoch = self._epoch(screened, batch)
        self._commit(epoch)
        self.on_epoch(
            EpochReport(
                epoch=epoch.number,
                partition=partition,
                next_offset=records.next_offset,
                record_count=len(records),
                admitted_count=batch.events.height,
                duration_ms=(time.perf_counter() - started) * 1000,
                forgotten_ids=self._seen.forgotten_early,
            )
        )
        return True

    def _screened(self, partition: int) -> Screened:
        offset = self._next_offsets()[partition]
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[:2] == (partition, offset):
            return ahead[2].result()
        return self._read(partition, offset)

    def _read(self, partition: int, offset: int) -> Screened:
        records = self._log.read(partition, offset, self._limits.max_batch_bytes)
        return screen(records, self._fields, self._rules)

    def _epoch(self, screened: Screened, batch: AdmittedBatch) -> Epoch:
        records = screened.records
        newest = [int(screened.received_at.max())] if len(screened.received_at) else []
        newest += [record.received_at for record, _ in screened.rejected]
        known = self._progress.max_received_at.get(records.partition, 0)
        return Epoch(
            number=self._progress.epoch + 1,
            spans=(
                EpochSpan(
                    partition=records.partition,
                    first_offset=records.first_offset,
                    next_offset=records.next_offset,
                    min_event_time=batch.min_event_time,
                    max_event_time=batch.max_event_time,
                ),
            ),
            changes=changes_of(self._metrics, batch.events),
            ledger=batch.ledger,
            uncounted=batch.uncounted,
            max_received_at={records.partition: max([known, *newest])},
            committed_at=self._clock.now_ms(),
        )

    def _commit(self, epoch: Epoch) -> None:
        """Commit, and go on trying while the store is away; an unknown outcome is looked up.

        Raises `StoreUnavailable` only when it is asked to stop meanwhile.
        """
        has_tried = False
        while not (has_tried and self._has_committed(epoch)):
            try:
                self._store.commit(epoch)
                break
            except EpochRefused:
                if has_tried and self._has_committed(epoch):
                    break
                raise
            except StoreUnavailable as error:
                has_tried = True
                self.on_trouble(f"{error}; trying again")
                if self._stop.wait(self._limits.retry_s):
                    raise
        self._progress = Progress(
            epoch=epoch.number,
            next_offsets={**self._progress.next_offsets, **epoch.next_offsets},
            max_received_at={**self._progress.max_received_at, **epoch.max_received_at},
            committed_at=epoch.committed_at,
            engine=epoch.engine,
        )

    def _has_committed(self, epoch: Epoch) -> bool:
        try:
            progress = self._store.progress()
        except StoreUnavailable:
            return False
        return progress.epoch == epoch.number and all(
            progress.next_offsets.get(partition) == offset
            for partition, offset in epoch.next_offsets.items()
        )

    def _next_offsets(self) -> Mapping[int, int]:
        known = self._progress.next_offsets
        return {
            partition: known[partition]
            if partition in known
            else self._log.extent(partition).first_offset
            for partition in self._log.partitions()
        }

    def _expire_if_due(self) -> None:
        now = self._clock.monotonic()
        if now - self._expired_at < self._limits.expire_every_s:
            return
        self._expired_at = now
        # A clock that is far ahead must not delete what is young.
        newest = max(self._progress.max_received_at.values(), default=0)
        now_ms = min(self._clock.now_ms(), newest + _EXPIRY_AHEAD_MS)
        if self.log_retention is not None:
            self._log.expire(self._progress.next_offsets, self.log_retention, now_ms)
        if self.store_retention is not None:
            self._store.expire(
                buckets_before=now_ms - self.store_retention.windows_ms,
                uncounted_before=now_ms - self.store_retention.uncounted_ms,
            )
