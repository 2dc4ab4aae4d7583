"""The loop of the native engine: read, decode, admit, fold, commit.

The store is the state. The only thing kept in memory between two epochs is the index of seen ids,
which is rebuilt from the log's tail. Batches grow with the backlog: what is there is taken, up to a
limit, so that an idle system answers at once and one that is behind catches up in big steps. An
epoch covers all partitions that have something. Of a backlog, the next batch is folded while the
last one is being committed; epochs are committed one after the other all the same.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import polars as pl

from rtcdp.admission.batch import DecodedBatch, admit, decode_batch, reject
from rtcdp.admission.erased import NOBODY_ERASED, ErasedUser, ErasedUsers
from rtcdp.admission.event_id_index import CLOCK_SLACK_MS, SeenIds
from rtcdp.admission.merged_reader import MergedReader
from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import Clock
from rtcdp.definitions import Fold, Metric, fields_of
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.aging import Aging, KeptByType
from rtcdp.engines.commit import (
    NOBODY,
    TRYING_AGAIN,
    RetryPolicy,
    commit_for_sure,
    progress_after,
)
from rtcdp.engines.folding import Folding
from rtcdp.engines.native.backfill import backfill
from rtcdp.engines.native.epochs import epoch_after
from rtcdp.engines.native.erasing import Erased, ErasedAgain, erase_user, finish_erasures
from rtcdp.engines.native.erasure import Parts
from rtcdp.engines.native.limits import ProcessorLimits, StoreRetention
from rtcdp.engines.native.lowering import changes_of
from rtcdp.engines.native.recovery import remembered, too_many_ids
from rtcdp.engines.native.under_way import Ahead, Pieces, Threads, UnderWay
from rtcdp.engines.notices import tables_beside, with_notices
from rtcdp.engines.products import ProductUpdates
from rtcdp.engines.quarantine import FAILURES, halves, is_fault_of_a_record, rejection_for
from rtcdp.engines.resume import check_continuation, check_log_id, rules_changed
from rtcdp.engines.upkeep import Keeping, Upkeep
from rtcdp.log.aged import aged_of
from rtcdp.log.contract import LogReader, LogUnavailable, OffsetsMissing
from rtcdp.log.limits import Retention
from rtcdp.store import Epoch, EpochReport, Progress, Store, StoreUnavailable
from rtcdp.store.row_changes import fitted_rows

LEFT_OUT_IN_A_ROW_MAX = 100
"""When so many records in a row can't be counted, it isn't their fault."""


class Processor:
    """Folds a log into a store, one epoch after another. One processor a store at a time: whoever
    runs it takes the store's lease before and gives it back after; here it is renewed.

    `listeners` hear of it, from the thread that runs the loop. There is trouble whenever the log or
    the store can't be reached and it will try again, when event ids had to be forgotten before
    their time, when a record could not be counted, and when a new metric can't be filled from the
    log's beginning; `on_back` is called after every round without any.
    `turn` is called between two rounds: for what only the store's writer can do.
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
        self.store = store
        self._metrics = stored_metrics(metrics)
        self._folding = Folding((), store)
        self._rules = rules
        self._clock = clock
        self._limits = limits
        self._progress = Progress()
        self._seen = SeenIds(rules.dedup_window_ms, limits.seen_ids_capacity)
        self._reader = MergedReader(log, limits.batch_bytes(has_folds=False))
        self._ahead: Ahead | None = None
        self._under_way: UnderWay | None = None
        self._starts: dict[int, int] = {}
        self._left_out_in_a_row = 0
        self._has_forgotten = False
        self._erased = NOBODY_ERASED
        self._again = ErasedAgain(log, store, clock, limits.erase_again_every_s, self.keep_right)
        self._taken_count, self._round_began = 0, float("-inf")
        self._expired_at = clock.monotonic()
        self._renewed_at: float | None = None
        self._kept_up: Upkeep | None = None
        self._stop = threading.Event()
        self._is_sure = False
        self.folds: tuple[Fold, ...] = ()
        self.products: ProductUpdates | None = None
        self.turn: Callable[[Processor], None] | None = None
        self.log_retention: Retention | None = None
        self.store_retention: StoreRetention | None = None
        self.kept_by_type: KeptByType | None = None
        self.listeners = NOBODY

    @property
    def progress(self) -> Progress:
        """What is committed."""
        return self._progress

    @property
    def _batch_bytes(self) -> int:
        return self._limits.batch_bytes(has_folds=bool(self.folds))

    @property
    def is_sure(self) -> bool:
        """Whether it knows where log and store stand, and may go on with a `step`: not before it
        has recovered, nor while one of them is away."""
        return self._is_sure

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Process until `stop` is set, or with `once` until the log's end is reached.

        While the log or the store can't be reached, it says so to `on_trouble` and tries again.
        Raises `EpochRefused` when another engine has taken over the store, `LeaseLost` when it has
        taken over the right to it, `OffsetsMissing` when the log no longer holds what comes next,
        or never did, and `LogReplaced` when it is another log.
        """
        self._stop = stop
        # Polars' streaming engine takes longer to start than most batches to fold.
        with (
            pl.Config(engine_affinity="in-memory"),
            ThreadPoolExecutor(1, "decode") as decode,
            ThreadPoolExecutor(1, "commit") as commit,
        ):
            threads = Threads(decode, commit)
            is_ready = self._is_sure = False
            while not stop.is_set() or self._under_way:
                try:
                    if stop.is_set():
                        self._settle()
                        continue
                    if not is_ready:
                        self.recover()
                        is_ready = True
                    if self.turn is not None:
                        self.turn(self)
                    if not self._is_sure:
                        # What was away may have come back as something else.
                        check_continuation(self._log, self._progress)
                        self._is_sure = True
                    rest_s = self._round(threads)
                    self.listeners.on_back()
                    if rest_s is not None:
                        if not once:
                            stop.wait(rest_s)
                        continue
                    if once:
                        self._again.take_out(at_once=True)
                        self._expire_if_due(at_once=self.kept_by_type is not None)
                        return
                    self._log.wait(self._next_offsets(), self._limits.poll_s)
                except (StoreUnavailable, LogUnavailable) as error:
                    self._is_sure = False
                    self.listeners.on_trouble(f"{error}{TRYING_AGAIN}")
                    stop.wait(self._limits.retry_s)
                except OffsetsMissing:
                    check_log_id(self._progress, self._log.log_id())
                    raise

    def _round(self, threads: Threads) -> float | None:
        """One batch of all partitions: how long (s) to rest after it; None if there was nothing."""
        before, self._round_began = self._round_began, self._clock.monotonic()
        has_worked = self._process(threads)
        has_worked |= self._take_products(is_idle=not has_worked)
        worked_s = self._clock.monotonic() - self._round_began
        self._upkeep().look(lambda: self._progress)
        self._expire_if_due()
        gathered_s, keeps_up = self._round_began - before, self._ahead is None
        rest_s = self._limits.rest_s(worked_s, self._taken_count, gathered_s, keeps_up=keeps_up)
        return rest_s if has_worked else None

    def erase(
        self,
        user_id: str,
        salt: str,
        erased_at: int | None = None,
        on_committed: Callable[[Erased], None] = lambda _: None,
    ) -> Erased:
        """Erase a user, between two epochs, as of now or of another time (UTC ms); see
        `erase_user`. What is remembered of stories and of users is read anew after it."""
        self._settle()
        self.keep_right()
        if not self._is_sure:
            self.recover()
        now = self._clock.now_ms()
        user = ErasedUser.of(user_id, salt, now if erased_at is None else erased_at)
        tables = self._folding.tables
        names = [fold.name for fold in self.folds]
        parts = Parts(
            *(self._log, self.store, self._metrics, tables, names),
            *(self._batch_bytes, self.keep_right),
        )
        try:
            return erase_user(parts, user, user_id, on_committed)
        finally:
            # Whatever became of it.
            self._is_sure, self._ahead = False, None
            self._folding.drop()
            self._progress = self.store.progress()
            self._erased = ErasedUsers(self.store.erased_users())

    def recover(self) -> None:
        """Prepare the store, read where it stands, fill new metrics, remember the last ids.

        Raises `OffsetsMissing` or `LogReplaced` when the log is not the one that the store has
        counted, or no longer holds what comes next.
        """
        self._under_way = None
        self.keep_right()
        self._folding = Folding(self.folds, self.store)
        self._folding.begin_stories(aged_of(self._log).told_from)
        of_products = () if self.products is None else self.products.tables
        beside = (*tables_beside(self.folds), *of_products)
        self.store.prepare(self._metrics, (*self._folding.tables, *beside))
        self._progress = self.store.progress()
        self._ahead = None
        self._reader = MergedReader(self._log, self._batch_bytes)
        check_continuation(self._log, self._progress)
        finish_erasures(self._log, self.store, self.keep_right)
        self._erased = ErasedUsers(self.store.erased_users())
        before = self.store.put_rules_in_force(self._rules)
        if before is not None:
            self.listeners.on_trouble(
                rules_changed(before, self._rules, self._progress.next_offsets)
            )
        backfill(
            self._log,
            self.store,
            self._metrics,
            self._batch_bytes,
            replace(self.listeners, on_slice=self.keep_right),
            self._folding,
        )
        self._seen = remembered(
            self._log,
            self.store,
            SeenIds(self._rules.dedup_window_ms, self._limits.seen_ids_capacity),
            self.keep_right,
            self.listeners.on_trouble,
        )
        if self._seen.forgotten_early:
            self.listeners.on_trouble(too_many_ids(self._seen.forgotten_early))
        self._upkeep().look(lambda: self._progress)
        self._is_sure = True

    def step(self) -> bool:
        """Process what the partitions hold now, one batch at most; True if there was anything.

        For tests and tools that drive the engine by hand, after `recover`.
        """
        has_worked = self._process(None)
        has_worked |= self._take_products()
        self._upkeep().look(lambda: self._progress)
        return has_worked

    def _process(self, threads: Threads | None) -> bool:
        self.keep_right()
        started = time.perf_counter()
        next_offsets = self._next_offsets()
        pieces, decoded = self._taken(next_offsets)
        self._taken_count = sum(piece.record_count for piece in pieces)
        if not pieces:
            was_under_way = self._under_way is not None
            self._settle()
            self._again.take_out()
            return was_under_way
        # Asked after the reading, so that no record of another log slips in.
        log_id = self._log.log_id()
        check_log_id(self._progress, log_id)
        is_backlog = sum(len(piece.lines) for piece in pieces) >= self._batch_bytes // 4
        commit = None
        if threads and is_backlog:
            following = {**next_offsets, **{piece.partition: piece.next_offset for piece in pieces}}
            self._ahead = self._read_ahead(threads.decode, following)
            commit = threads.commit
        self._count(pieces, decoded, log_id, started, commit)
        return True

    def _take_products(self, *, is_idle: bool = True) -> bool:
        """Take what there is of the second stream, between two epochs; True if there was any."""
        if self.products is None or not (is_idle or self.products.is_due()):
            return False
        return self._settle() and self.products.step(self.listeners.on_trouble)

    def _taken(self, next_offsets: Mapping[int, int]) -> tuple[Pieces, Callable[[], DecodedBatch]]:
        """The next round, and what gives its decoded records."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            pieces = ahead.pieces.result()
            if ahead.next_offsets == next_offsets:
                return pieces, ahead.decoded.result
        pieces = self._reader.read(next_offsets)
        return pieces, partial(self._decode, pieces)

    def _read_ahead(self, ahead: ThreadPoolExecutor, next_offsets: Mapping[int, int]) -> Ahead:
        pieces = ahead.submit(self._reader.read, next_offsets)
        decoded = ahead.submit(lambda: self._decode(pieces.result()))
        return Ahead(next_offsets, pieces, decoded)

    def _decode(self, pieces: Pieces) -> DecodedBatch:
        fields = dict.fromkeys((*fields_of(self._metrics), *self._folding.fields))
        return decode_batch(pieces, tuple(fields), self._rules, self._erased)

    def _count(
        self,
        pieces: Pieces,
        decoded: Callable[[], DecodedBatch],
        log_id: str,
        started: float,
        commit: ThreadPoolExecutor | None = None,
    ) -> None:
        """Admit, fold and commit; with `commit`, that is only begun. What can't be counted is taken
        apart until it can."""
        mark = self._seen.mark()
        try:
            epoch, report = self._folded(decoded(), log_id)
        except FAILURES as error:
            # What was to be counted comes again, now or after a pause.
            self._seen.reset(mark)
            self._folding.drop()
            if not self._settle():
                return
            if not is_fault_of_a_record(error):
                raise
            self._take_apart(pieces, error, log_id)
            return
        if not self._settle():
            return
        attempt: Callable[[], object] = partial(self.store.commit, epoch)
        if self._has_forgotten:
            # Nobody knows any more which rows the next batch had to wait for.
            commit = None
        if commit is not None:
            attempt = commit.submit(attempt).result
        self._folding.under_way(attempt)
        self._under_way = UnderWay(epoch, pieces, log_id, mark, attempt, report, started)
        if commit is None:
            self._settle()

    def _settle(self) -> bool:
        """Wait until what is under way is committed, if anything is. False when it couldn't be, and
        was taken apart; what was folded since comes again then."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return True
        try:
            self._commit(under_way)
        except FAILURES as error:
            self._seen.reset(under_way.mark)
            self._folding.drop()
            if not is_fault_of_a_record(error):
                raise
            self._take_apart(under_way.pieces, error, under_way.log_id)
            return False
        self._left_out_in_a_row = 0
        return True

    def _take_apart(self, pieces: Pieces, error: BaseException, log_id: str) -> None:
        """Count the halves of what failed, one after the other; a record alone is left out."""
        count = sum(piece.record_count for piece in pieces)
        if count > 1:
            for half in halves(pieces):
                self.keep_right()
                self._count(half, partial(self._decode, half), log_id, time.perf_counter())
            return
        if count == 0 or self._left_out_in_a_row >= LEFT_OUT_IN_A_ROW_MAX:
            raise error
        self._left_out_in_a_row += 1
        rejection = rejection_for(error)
        decoded = reject(pieces, rejection)
        record, _ = decoded.rejected[0]
        self.listeners.on_trouble(
            f"the record at offset {record.offset} of partition {record.partition} could not be "
            f"counted and became a dead letter: {rejection.message}"
        )
        mark, started = self._seen.mark(), time.perf_counter()
        epoch, report = self._folded(decoded, log_id)
        attempt = partial(self.store.commit, epoch)
        self._commit(UnderWay(epoch, pieces, log_id, mark, attempt, report, started))

    def _folded(self, decoded: DecodedBatch, log_id: str) -> tuple[Epoch, EpochReport]:
        """The epoch that follows all that is counted or under way."""
        before = self._reached()
        self._has_forgotten = False
        forgotten = self._seen.forgotten_early
        batch = admit(decoded, self._seen)
        if self._seen.forgotten_early > forgotten:
            self.listeners.on_trouble(too_many_ids(self._seen.forgotten_early - forgotten))
        changes = changes_of(self._metrics, batch.events)
        epoch = epoch_after(before, decoded, batch, changes, log_id)
        rows = self._folding.fold(batch.events, epoch.number)
        # Fitted here, and not by the commit, which takes the longer of the two beside each other.
        rows = tuple(fitted_rows(with_notices(rows, self.folds, epoch.number)))
        epoch = replace(
            epoch,
            committed_at=self._clock.now_ms(),
            remembered_from=self._seen.remembered_from,
            rows=rows,
        )
        return epoch, EpochReport(
            epoch=epoch.number,
            next_offsets=progress_after(before, epoch).next_offsets,
            record_count=sum(piece.record_count for piece in decoded.pieces),
            admitted_count=batch.events.height,
            duration_ms=0,
            forgotten_ids=self._seen.forgotten_early,
            uncounted=epoch.uncounted_by_reason,
            traces=decoded.traces,
            cache_hits=self._folding.cache_hits,
            cache_misses=self._folding.cache_misses,
        )

    def _commit(self, under_way: UnderWay) -> None:
        """Commit for sure, and tell of it."""
        commit_for_sure(self.store, under_way.epoch, self._patience, under_way.attempt)
        self._folding.landed()
        self._progress = progress_after(self._progress, under_way.epoch)
        duration_ms = (time.perf_counter() - under_way.started) * 1000
        self.listeners.on_epoch(replace(under_way.report, duration_ms=duration_ms))
        self._log.acknowledge(self._progress.next_offsets)
        self._again.note(under_way.epoch, under_way.pieces)

    @property
    def _patience(self) -> RetryPolicy:
        return RetryPolicy(self._limits.retry_s, self._stop.wait, self._tell_of_store)

    def _reached(self) -> Progress:
        """Where the store stands when what is under way is committed."""
        if self._under_way is None:
            return self._progress
        return progress_after(self._progress, self._under_way.epoch)

    def _tell_of_store(self, sentence: str) -> None:
        """What the store holds has to be read again."""
        self._folding.drop()
        self._has_forgotten = True
        self.listeners.on_trouble(sentence)

    def _next_offsets(self) -> Mapping[int, int]:
        """Where every partition goes on. A partition that was never counted begins where it began
        when it was first seen: what is deleted meanwhile is missed, and not passed over."""
        known = self._reached().next_offsets
        for partition in self._log.partitions():
            if partition not in known and partition not in self._starts:
                self._starts[partition] = self._log.extent(partition).first_offset
        return {**self._starts, **known}

    def keep_right(self) -> None:
        """Renew the lease when a third of its time is over. For whoever has the turn for long."""
        self.listeners.on_slice()
        now, ttl_s = self._clock.monotonic(), self._limits.lease_ttl_s
        if self._renewed_at is None or now - self._renewed_at >= ttl_s / 3:
            self.store.renew_lease(self._clock.now_ms(), int(ttl_s * 1000))
            self._renewed_at = now

    def _expire_if_due(self, *, at_once: bool = False) -> None:
        now = self._clock.monotonic()
        if now - self._expired_at < self._limits.expire_every_s and not at_once:
            return
        self._expired_at = now
        self._settle()
        self._again.take_out()
        try:
            self._upkeep().expire(self._progress, at_once=at_once)
        finally:
            # What is kept for no longer has gone in commits of its own.
            self._progress = self.store.progress()
        if self.folds:
            with self.store.snapshot() as snapshot:
                self._folding.forget_before(snapshot.floors.buckets_from)

    def _upkeep(self) -> Upkeep:
        """Made when it is first needed, for what it keeps is set after the processor is made."""
        if self._kept_up is None:
            kept, aging = self.store_retention, None
            windows_ms = None if kept is None else kept.windows_ms
            uncounted_ms = None if kept is None else kept.uncounted_ms
            ids_ms = self._rules.dedup_window_ms + CLOCK_SLACK_MS
            parts = self._log, self.store, self._clock
            if self.kept_by_type is not None:
                types = self.kept_by_type
                aging = Aging(*parts, types, lambda: self._folding, self._patience)
            keeping = Keeping(self.log_retention, windows_ms, uncounted_ms, ids_ms)
            self._kept_up = Upkeep(*parts, keeping, self.listeners.on_trouble, aging)
        return self._kept_up
