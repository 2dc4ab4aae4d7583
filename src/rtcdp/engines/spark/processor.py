"""The loop of the Spark engine: a streaming query, and an epoch for each of its batches.

Spark reads, decodes, finds duplicates and groups; the store is the state, as with every engine. A
batch that Spark runs again after a crash starts where the store does not stand any more, so nothing
of it is counted a second time.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from rtcdp.admission.erased import ErasedUsers
from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import Clock, repeating
from rtcdp.definitions import Fold, Metric, fields_of
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.backfill import fill_metrics
from rtcdp.engines.commit import (
    NOBODY,
    TRYING_AGAIN,
    RetryPolicy,
    commit_for_sure,
    progress_after,
)
from rtcdp.engines.fold_backfill import fill_folds
from rtcdp.engines.folding import Folding
from rtcdp.engines.notices import tables_beside, with_notices
from rtcdp.engines.products import ProductUpdates
from rtcdp.engines.resume import check_continuation, check_log_id, rules_changed
from rtcdp.engines.spark.accounts import BatchAccount, account_of
from rtcdp.engines.spark.backfill import STEP_OFFSETS, spark_steps
from rtcdp.engines.spark.batches import kept_batch
from rtcdp.engines.spark.checkpoint import Checkpoints
from rtcdp.engines.spark.counting import Counting, Surroundings
from rtcdp.engines.spark.decoding import Decoding
from rtcdp.engines.spark.failures import StartAnew, failure_of, is_slow_start
from rtcdp.engines.spark.fold_backfill import InExecutors
from rtcdp.engines.spark.judging import REMEMBERED_FROM, remembered_property
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.query import (
    KafkaSource,
    judged,
    offsets_per_trigger,
    record_bytes_in,
    start_query,
)
from rtcdp.engines.spark.recovery import (
    Position,
    continuation_of,
    passed_over,
    position_in,
    state_fingerprint,
)
from rtcdp.engines.spark.remembrance import Remembrance
from rtcdp.engines.spark.session import spark_session
from rtcdp.engines.spark.stories import StoreAccess, Stories, stories_of
from rtcdp.errors import RtcdpError
from rtcdp.log.contract import LogUnavailable, OffsetsMissing
from rtcdp.log.marks import marks_before
from rtcdp.store import Epoch, EpochReport, Progress, Store, StoreUnavailable

_RETRY_S = 0.5
_POLL_S = 0.1
_PROGRESS_S = 1.0
_UPKEEP_S = 60.0
_DRAIN_S = 30.0

SLOW_STARTS_MAX = 30
"""When a query's Python does not start so often in a row, it is not the machine's load."""


class _Ended(Exception):
    """A batch ended by what is no `Exception`, as a panic of Polars."""


@dataclass(frozen=True)
class _Following:
    """The checkpoint of the query that runs, and how many records a batch takes at most."""

    checkpoints: Checkpoints
    checkpoint: str
    offsets_per_trigger: int


class SparkProcessor:
    """Folds a Kafka topic into a store by way of Spark. One processor a store at a time: whoever
    runs it takes the store's lease before and gives it back after; here it is renewed.

    `listeners` hear of it, of epochs from a thread of Spark's. There is trouble whenever Kafka or
    the store can't be reached and it will try again; `on_back` is called before a query starts and
    after every batch, for both were there. Metrics that are new are filled first, `step_offsets`
    records at a time. `upkeep` is called every minute. `lease_ttl_s` is how long the lease outlasts
    a processor that dies.

    `folds` are told beside the metrics, by executors that read the store by `store_access`; both
    are set before it runs.
    """

    def __init__(
        self,
        source: KafkaSource,
        store: Store,
        metrics: Sequence[Metric],
        rules: AdmissionRules,
        clock: Clock,
        limits: SparkLimits,
    ) -> None:
        self._source = source
        self.store = store
        self._metrics = stored_metrics(metrics)
        self._rules = rules
        self._clock = clock
        self._limits = limits
        self._progress = Progress()
        self._remembrance = Remembrance({}, rules.dedup_window_ms)
        self._following: _Following | None = None
        self._failure: BaseException | None = None
        self._is_stopping = False
        self._is_outgrown = False
        self._seen_bytes = 0.0
        self._slow_starts = 0
        self._told_batch, self._asked_at = -1, float("-inf")
        self._log_id = ""
        self._stories: Stories | None = None
        self._started = 0.0
        self._counting = Counting(
            Surroundings(
                log=source.log,
                progress=lambda: self._progress,
                commit=self._commit,
                report=self._report,
                on_trouble=self._say,
                is_stopping=lambda: self._is_stopping or self._stop.is_set(),
            )
        )
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._renewed_at: float | None = None
        self._kept_up_at = clock.monotonic()
        self.lease_ttl_s = 15.0
        self.step_offsets = STEP_OFFSETS
        self.folds: tuple[Fold, ...] = ()
        self.products: ProductUpdates | None = None
        self.store_access: StoreAccess | None = None
        self.upkeep: Callable[[Progress], None] = lambda _: None
        self.listeners = NOBODY

    @property
    def progress(self) -> Progress:
        return self._progress

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Process until `stop` is set, or with `once` until the topic's end is reached.

        While Kafka or the store can't be reached, it says so to `on_trouble` and tries again.
        Raises `EpochRefused` when another engine has taken over the store, `LeaseLost` when it has
        taken over the right to it, `OffsetsMissing` when the topic no longer holds what comes next,
        `LogReplaced` when it is another topic, and `SparkFailed` when Spark gives up.
        """
        self._stop = stop
        try:
            self._run(stop, once)
        except Py4JNetworkError:
            # A signal to all processes of a group ends Java before it is asked to end.
            if not stop.is_set():
                raise

    def _run(self, stop: threading.Event, once: bool) -> None:
        with spark_session(self._limits) as spark:
            while not stop.is_set():
                try:
                    self._recover(spark)
                    partitions = self._source.log.partitions()
                    # A log at rest gives no batch that would tell it.
                    self.listeners.on_back()
                    is_done = True
                    if partitions:
                        is_done = self._follow(spark, once=once)
                    has_products = self._take_products()
                    if once and is_done and not has_products:
                        return
                    stop.wait(_POLL_S)
                except (StoreUnavailable, LogUnavailable) as error:
                    self.listeners.on_trouble(f"{error}{TRYING_AGAIN}")
                    stop.wait(_RETRY_S)
                # A topic that was made anew has other offsets; then that is what to say.
                except OffsetsMissing:
                    check_log_id(self._progress, self._source.log.log_id())
                    raise

    def _recover(self, spark: SparkSession) -> None:
        """Prepare the store, read where it stands, and fill what is new in it."""
        # Before anything is written: whoever has lost it must not.
        self._keep_lease()
        folding = Folding(self.folds, self.store)
        of_products = () if self.products is None else self.products.tables
        beside = (*tables_beside(self.folds), *of_products)
        self.store.prepare(self._metrics, (*folding.tables, *beside))
        progress = self.store.progress()
        check_continuation(self._source.log, progress)
        before = self.store.put_rules_in_force(self._rules)
        if before is not None:
            self.listeners.on_trouble(rules_changed(before, self._rules, progress.next_offsets))
        if progress != self._progress:
            # What time went by under another engine's hands is not known here.
            remembered_from = dict(position_in(self._source.log, progress).remembered_from)
            self._remembrance = Remembrance(remembered_from, self._rules.dedup_window_ms)
        self._progress = progress
        self._stories = self._told(folding)
        self._fill(spark, folding)

    def _told(self, folding: Folding) -> Stories | None:
        if not self.folds:
            return None
        assert self.store_access is not None, "executors read what rests of folds by themselves"
        return stories_of(folding, self.store_access)

    def _fill(self, spark: SparkSession, folding: Folding) -> None:
        """Compute the metrics and folds that are new over what is counted already."""
        steps = spark_steps(spark, self._source, self.store, self.step_offsets)
        log, store = self._source.log, self.store
        with self._leased_meanwhile():
            fill_metrics(log, store, self._metrics, steps, self.listeners)
            if self._stories is not None:
                access, step = self._stories.access, self.step_offsets
                way = InExecutors(spark, self._source, store, access, step)
                fill_folds(log, store, folding, way, self.listeners)

    def _leased_meanwhile(self) -> AbstractContextManager[None]:
        """Keep the lease in a thread, for a step may take longer than that lasts. Who loses it is
        told by the next commit."""
        is_lost = False

        def keep() -> None:
            nonlocal is_lost
            # After a failure nothing more is tried: the next commit tells what it was.
            if not is_lost:
                is_lost = True
                with suppress(RtcdpError):
                    self._keep_lease()
                    is_lost = False

        return repeating("lease", _POLL_S, keep)

    def _follow(self, spark: SparkSession, *, once: bool) -> bool:
        """Run the query until it is to stop; with `once` until it has ended by itself. False when
        it has to be started anew."""
        query = self._start(spark, once=once)
        try:
            while query.isActive and not self._is_outgrown and not self._stop.wait(_POLL_S):
                self._keep_lease()
                self._take_products()
                self._keep_up()
                self._tell_progress(query)
        finally:
            self._end(query)
        failure = self._failure or query.exception()
        if self._stop.is_set():
            return True
        if failure is None or isinstance(failure, StartAnew):
            return failure is None and not self._is_outgrown
        if is_slow_start(failure) and self._slow_starts < SLOW_STARTS_MAX:
            self._slow_starts += 1
            self.listeners.on_trouble("Spark's Python took too long to start; trying again")
            return False
        if isinstance(failure, PySparkException | Py4JError):
            raise failure_of(failure, self._source.topic) from failure
        raise failure

    def _tell_progress(self, query: StreamingQuery) -> None:
        """Tell what Spark says of its newest batch, unless that is told."""
        now = self._clock.monotonic()
        if now - self._asked_at < _PROGRESS_S:
            return
        self._asked_at = now
        progress = query.lastProgress
        if progress is not None and progress["batchId"] != self._told_batch:
            self._told_batch = int(progress["batchId"])
            self.listeners.on_progress(self._told_batch, dict(progress["durationMs"]))

    def _start(self, spark: SparkSession, *, once: bool) -> StreamingQuery:
        source, limits = self._source, self._limits
        position = position_in(source.log, self._progress)
        window_ms = self._rules.dedup_window_ms
        fingerprint = state_fingerprint(source.log.log_id(), source.topic, window_ms)
        checkpoints = Checkpoints(spark, limits.checkpoint)
        continuation = continuation_of(checkpoints, position, fingerprint)
        batch_offsets = offsets_per_trigger(limits, self._record_bytes(position))
        stream = judged(
            spark,
            source,
            continuation.filled_from if continuation.is_new else None,
            Decoding(
                self._fields(),
                self._rules,
                position.next_offsets,
                passed_over(self.store, continuation.filled_from, position.next_offsets),
                # None is erased while the query runs: whoever erases has to be the only processor.
                ErasedUsers(self.store.erased_users()),
            ),
            batch_offsets,
        )
        self._following = _Following(checkpoints, continuation.checkpoint, batch_offsets)
        self._failure, self._is_stopping, self._is_outgrown = None, False, False
        path = checkpoints.path(continuation.checkpoint)
        return start_query(stream, path, limits, self._handle, once=once)

    def _fields(self) -> tuple[str, ...]:
        """The fields of events that are to be decoded."""
        told = () if self._stories is None else self._stories.fields
        return tuple(dict.fromkeys((*fields_of(self._metrics), *told)))

    def _record_bytes(self, position: Position) -> float:
        return self._seen_bytes or record_bytes_in(self._source.log, position.next_offsets)

    def _end(self, query: StreamingQuery) -> None:
        """Let the batch that is worked on be done, unless that takes long, and stop the query."""
        is_idle = self._turn.acquire(timeout=_DRAIN_S)
        self._is_stopping = True
        try:
            query.stop()
        finally:
            if is_idle:
                self._turn.release()
        # A batch that had its turn already may be committing: nobody goes on before it is done.
        with self._turn:
            return

    def _handle(self, rows: DataFrame, number: int) -> None:
        """Count one batch. Called by Spark, which takes what is raised here for the query's end."""
        if not self._has_turn():
            self._failure = self._failure or StartAnew()
            raise self._failure
        try:
            self._started = time.perf_counter()
            self._count(rows, number)
            self._slow_starts = 0
            self.listeners.on_back()
        except BaseException as error:
            self._failure = self._failure or error
            if isinstance(error, Exception):
                raise
            # Of others Spark is not told, and would wait for an answer for ever.
            raise _Ended from error
        finally:
            self._turn.release()

    def _has_turn(self) -> bool:
        """Wait for the turn of a batch; False when it came while the query is to stop, and will
        come again. Whoever stops a query holds the turn until Spark has the answer of its batch."""
        while not self._turn.acquire(timeout=_POLL_S):
            if self._is_stopping:
                return False
        is_refused = self._is_stopping
        if is_refused:
            self._turn.release()
        return not is_refused

    def _count(self, rows: DataFrame, number: int) -> None:
        following = self._following
        assert following is not None
        # Where it ends is read from the plan, for the last offsets may hold no record that would
        # tell: transactions and compaction leave some without.
        planned = following.checkpoints.planned(following.checkpoint, number)
        # Read by the executors: the index of ids forgets what lies before.
        remembered = remembered_property(self._progress.remembered_from)
        rows.sparkSession.sparkContext.setLocalProperty(REMEMBERED_FROM, remembered)
        with kept_batch(rows, self._metrics, self._stories) as kept:
            batch = account_of(*kept.accounts())
            # Asked after the reading, so that no record of another topic slips in.
            self._log_id = self._source.log.log_id()
            check_log_id(self._progress, self._log_id)
            remembrance = self._remembrance.after(batch.counted)
            self._counting.count(kept, batch, planned.next_offsets, remembrance.remembered_from)
        # Only now: a batch that failed is counted again from what was remembered before it.
        self._remembrance = remembrance
        self._source.log.acknowledge(self._progress.next_offsets)
        self._weigh(batch, following.offsets_per_trigger)

    def _weigh(self, batch: BatchAccount, batch_offsets: int) -> None:
        """Notice when a batch takes far more or fewer records than records of this size allow."""
        records = sum(each.record_count for each in batch.slices)
        self._seen_bytes = sum(each.value_bytes for each in batch.slices) / max(records, 1)
        wanted = offsets_per_trigger(self._limits, self._seen_bytes)
        self._is_outgrown = not batch_offsets // 2 <= wanted <= batch_offsets * 4

    def _commit(self, epoch: Epoch) -> None:
        marks = marks_before(self._source.log, epoch.next_offsets)
        now_ms = self._clock.now_ms()
        rows = with_notices(epoch.rows, self.folds, epoch.number)
        epoch = replace(epoch, committed_at=now_ms, log_id=self._log_id, marks=marks, rows=rows)
        patience = RetryPolicy(_RETRY_S, self._stop.wait, self.listeners.on_trouble)
        commit_for_sure(self.store, epoch, patience)
        self._progress = progress_after(self._progress, epoch)

    def _take_products(self) -> bool:
        """Take what there is of the second stream, unless a batch is being counted; True if there
        was any."""
        if self.products is None or not self._turn.acquire(blocking=False):
            return False
        try:
            return self.products.step(self.listeners.on_trouble)
        finally:
            self._turn.release()

    def _report(self, epoch: Epoch) -> None:
        now = time.perf_counter()
        self._started, started = now, self._started
        self.listeners.on_epoch(
            EpochReport(
                epoch=epoch.number,
                next_offsets=self._progress.next_offsets,
                record_count=int(epoch.ledger["received"].sum()),
                admitted_count=int(epoch.ledger["admitted"].sum()),
                duration_ms=(now - started) * 1000,
                forgotten_ids=0,
                waiting_offsets=self._waiting_offsets(),
                uncounted=epoch.uncounted_by_reason,
            )
        )

    def _waiting_offsets(self) -> int | None:
        """How much of the log is not counted yet; None while that can't be told."""
        log, reached = self._source.log, self._progress.next_offsets
        try:
            return sum(log.extent(each).next_offset - end for each, end in reached.items())
        except LogUnavailable:
            return None

    def _say(self, trouble: str) -> None:
        self.listeners.on_trouble(trouble)

    def _keep_lease(self) -> None:
        """Renew the lease when a third of its time is over."""
        now = self._clock.monotonic()
        if self._renewed_at is None or now - self._renewed_at >= self.lease_ttl_s / 3:
            self.store.renew_lease(self._clock.now_ms(), int(self.lease_ttl_s * 1000))
            self._renewed_at = now

    def _keep_up(self) -> None:
        now = self._clock.monotonic()
        if now - self._kept_up_at >= _UPKEEP_S:
            self._kept_up_at = now
            self.upkeep(self._progress)
