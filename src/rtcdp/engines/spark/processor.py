"""The loop of the Spark engine: one streaming query, whose every micro-batch ends in an epoch."""

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody does
from pyspark.sql.streaming.query import StreamingQuery

from rtcdp.clock import Clock
from rtcdp.engines.committing import Patience, commit_for_sure
from rtcdp.engines.engine import Epoch, EpochReport
from rtcdp.engines.fields import fields_of
from rtcdp.engines.spark.batches import changes_in, ledger_and_uncounted, open_batch
from rtcdp.engines.spark.checkpoint import Checkpoint, checkpoint_for
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.session import open_session
from rtcdp.engines.spark.slices import ROW_DDL, Screening, slice_rows
from rtcdp.errors import RtcdpError
from rtcdp.events.rules import AdmissionRules
from rtcdp.events.seen_ids import CLOCK_SLACK_MS
from rtcdp.log.log import LogReader, LogReplaced, LogUnavailable, OffsetsMissing
from rtcdp.log.wire_records import WireBatch
from rtcdp.store.store import Progress, Store, StoreUnavailable
from rtcdp.vocabulary.metric import Metric

_POLL_S = 0.1
_RETRY_S = 0.5
_SLACK_HINT = "raise spark.watermark_slack_ms, and start again"


class SparkFailed(RtcdpError):
    """Spark's query ended though nobody asked it to."""


@dataclass(frozen=True)
class KafkaSource:
    """Where Spark reads: brokers as `host:port,…`, the topic, and settings of Kafka's client."""

    bootstrap: str
    topic: str
    options: Mapping[str, str] = field(default_factory=dict)


class SparkProcessor:
    """Folds a topic into a store on Spark, one epoch after another. One processor a store.

    `log` is the same topic, to look up offsets in. `on_epoch` is called after every commit, and
    `on_trouble` with a sentence whenever something has to be tried again.
    """

    def __init__(
        self,
        source: KafkaSource,
        log: LogReader,
        store: Store,
        metrics: Sequence[Metric],
        rules: AdmissionRules,
        clock: Clock,
    ) -> None:
        self._source = source
        self._log = log
        self._store = store
        self._metrics = tuple(metrics)
        self._rules = rules
        self._clock = clock
        self._progress = Progress()
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._renewed_s = clock.monotonic()
        self.limits = SparkLimits()
        self.lease_ttl_s = 15.0
        self.on_epoch: Callable[[EpochReport], None] = lambda _: None
        self.on_trouble: Callable[[str], None] = lambda _: None

    @property
    def progress(self) -> Progress:
        return self._progress

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Process until `stop` is set, or with `once` until the topic's end is reached.

        Raises `EpochRefused` when another engine has taken over the store, `OffsetsMissing` when
        the topic no longer holds what comes next, and `SparkFailed`.
        """
        self._stop = stop
        self._failure = None
        while not self._log.partitions():
            if once or stop.wait(_RETRY_S):
                return
        self._store.prepare(self._metrics)
        self._progress = self._store.progress()
        checkpoint = self._checkpoint()
        session = open_session(self.limits)
        try:
            self._watch(self._start(session, checkpoint, once=once))
        finally:
            session.stop()

    def _checkpoint(self) -> Checkpoint:
        log_id = self._log.log_id()
        known = self._progress.log_id
        if known and log_id and known != log_id:
            raise LogReplaced(
                f"the store has counted the log {known}, and topic {self._source.topic} is another "
                f"one, {log_id}",
                "give a new log a store of its own",
            )
        counted_from = {
            partition: self._progress.next_offsets.get(
                partition, self._log.extent(partition).first_offset
            )
            for partition in self._log.partitions()
        }
        base = Path(self.limits.checkpoint)
        checkpoint, _ = checkpoint_for(base, self._progress, self._metrics, log_id, counted_from)
        return checkpoint

    def _start(
        self, session: SparkSession, checkpoint: Checkpoint, *, once: bool
    ) -> StreamingQuery:
        screening = Screening(
            fields=fields_of(self._metrics),
            rules=self._rules,
            counted_from=dict(checkpoint.counted_from),
        )
        delay_ms = self._rules.dedup_window_ms + self.limits.watermark_slack_ms
        rows = _read(session, self._source, self._starts(checkpoint), self.limits).mapInArrow(
            _screened(screening), ROW_DDL
        )
        judged = rows.withWatermark("received_at", f"{delay_ms} milliseconds")
        judged = judged.dropDuplicatesWithinWatermark(["place", "mark"])
        writer = judged.writeStream.outputMode("update").option(
            "checkpointLocation", str(checkpoint.folder)
        )
        trigger_ms = max(1, int(self.limits.trigger_s * 1000))
        writer = (
            writer.trigger(availableNow=True)
            if once
            else writer.trigger(processingTime=f"{trigger_ms} milliseconds")
        )

        def handle(batch: DataFrame, batch_id: int) -> None:
            try:
                self._process(batch, batch_id, checkpoint)
            except Exception as error:
                self._failure = error
                raise

        return writer.foreachBatch(handle).start()

    def _starts(self, checkpoint: Checkpoint) -> str:
        """Where Spark begins to read with a new checkpoint: one dedup window before what is counted
        first, for the ids."""
        starts = {}
        for partition, counted_from in checkpoint.counted_from.items():
            first_offset = self._log.extent(partition).first_offset
            newest = self._progress.max_received_at.get(partition)
            if newest is None or counted_from <= first_offset:
                starts[str(partition)] = max(first_offset, counted_from)
                continue
            wanted = newest - self._rules.dedup_window_ms - CLOCK_SLACK_MS
            found = self._log.offset_at(partition, wanted)
            starts[str(partition)] = max(first_offset, min(counted_from, found))
        return json.dumps({self._source.topic: starts})

    def _watch(self, query: StreamingQuery) -> None:
        """Wait for the query's end, and stop it when that is asked for."""
        try:
            while query.isActive and not self._stop.wait(_POLL_S):
                self._renew_lease()
            if self._stop.is_set():
                query.stop()
            query.awaitTermination()
        except PySparkException as error:
            if self._failure is None and not self._stop.is_set():
                raise _named(error, self._source) from error
        if self._failure is not None and not self._stop.is_set():
            raise self._failure

    def _renew_lease(self) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._renewed_s < self.lease_ttl_s / 3:
            return
        self._renewed_s = now_s
        try:
            self._store.renew_lease(self._clock.now_ms(), int(self.lease_ttl_s * 1000))
        except StoreUnavailable as error:
            self.on_trouble(f"{error}; trying again")

    def _process(self, rows: DataFrame, batch_id: int, checkpoint: Checkpoint) -> None:
        began_s = perf_counter()
        ends = checkpoint.ends_of(batch_id) or {}
        if self._is_counted(ends):
            # Still, Spark has to run it: the ids in it belong into its state.
            rows.write.format("noop").mode("overwrite").save()
            return
        rows.persist()
        try:
            batch = open_batch(rows, checkpoint.watermark_of(batch_id), _SLACK_HINT)
            if not batch.slices:
                return
            ledger, uncounted = ledger_and_uncounted(rows, batch)
            changes = changes_in(rows, batch, self._metrics)
        finally:
            rows.unpersist()
        spans = batch.spans()
        read = sum(span.next_offset - span.first_offset for span in spans)
        epoch = Epoch(
            number=self._progress.epoch + 1,
            spans=spans,
            changes=changes,
            ledger=ledger,
            uncounted=uncounted,
            max_received_at=batch.max_received_at(),
            committed_at=self._clock.now_ms(),
            engine="spark",
            gaps=read - batch.record_count,
            log_id=self._log.log_id(),
        )
        commit_for_sure(self._store, epoch, Patience(_RETRY_S, self._stop.wait, self.on_trouble))
        self._progress = self._store.progress()
        self._log.acknowledge(self._progress.next_offsets)
        self.on_epoch(
            EpochReport(
                epoch=epoch.number,
                next_offsets=self._progress.next_offsets,
                record_count=batch.record_count,
                admitted_count=int(ledger["admitted"].sum()),
                duration_ms=(perf_counter() - began_s) * 1000,
                forgotten_ids=0,
            )
        )

    def _is_counted(self, ends: Mapping[int, int]) -> bool:
        """Whether the store has counted all of a batch that ends there; nothing of it, if not."""
        at = self._progress.next_offsets
        return bool(ends) and all(at.get(partition, 0) >= end for partition, end in ends.items())


def _read(
    session: SparkSession, source: KafkaSource, starts: str, limits: SparkLimits
) -> DataFrame:
    reader = (
        session.readStream.format("kafka")
        .option("kafka.bootstrap.servers", source.bootstrap)
        .option("subscribe", source.topic)
        .option("startingOffsets", starts)
        .option("failOnDataLoss", "true")
        .option("includeHeaders", "true")
        .option("maxOffsetsPerTrigger", limits.max_offsets_per_trigger)
        .option("kafka.isolation.level", "read_committed")
    )
    for name, value in source.options.items():
        reader = reader.option(f"kafka.{name}", value)
    # Headers are rare, and take ten times as long as all the rest to bring into Python.
    headers = F.when(F.size("headers") > 0, F.to_json("headers"))
    return reader.load().select(
        "value", "partition", "offset", "timestamp", headers.alias("headers")
    )


def _screened(
    screening: Screening,
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def screen(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            partitions = batch.column("partition").to_numpy()
            cuts = np.flatnonzero(np.diff(partitions)) + 1
            for part in np.split(np.arange(len(partitions)), cuts):
                if len(part):
                    yield slice_rows(_wire_batch(batch.slice(part[0], len(part))), screening)

    return screen


def _wire_batch(batch: pa.RecordBatch) -> WireBatch:
    offsets = batch.column("offset").to_numpy()
    microseconds = batch.column("timestamp").cast(pa.int64()).to_numpy()
    headers = batch.column("headers")
    return WireBatch(
        partition=int(batch.column("partition")[0].as_py()),
        first_offset=int(offsets[0]),
        next_offset=int(offsets[-1]) + 1,
        values=batch.column("value").to_pylist(),
        offsets=offsets,
        timestamps=microseconds // 1000,
        headers=None
        if headers.null_count == len(headers)
        else [_pairs(text) for text in headers.to_pylist()],
    )


def _pairs(text: str | None) -> list[tuple[str, bytes | None]] | None:
    """The headers of a record, whose values come as base64."""
    if text is None:
        return None
    return [
        (pair["key"], b64decode(pair["value"]) if pair.get("value") is not None else None)
        for pair in json.loads(text)
    ]


def _named(error: PySparkException, source: KafkaSource) -> RtcdpError:
    text = str(error)
    if "KAFKA_DATA_LOSS" in text or "failOnDataLoss" in text:
        return OffsetsMissing(
            f"topic {source.topic} no longer holds what comes next",
            "records were deleted before they were counted, or the topic was cut off: "
            "give a shortened topic a store of its own",
        )
    if "TimeoutException" in text or "UnknownTopicOrPartition" in text:
        return LogUnavailable(
            f"Spark can't read topic {source.topic} at {source.bootstrap}",
            "see whether its broker runs and can be reached",
        )
    first_line = text.strip().splitlines()[0] if text.strip() else repr(error)
    return SparkFailed(f"Spark's query failed: {first_line}", "see Spark's own log for the cause")
