"""What an engine tells operators: of its epochs, of what it judged, and of what it waited for."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rtcdp.engines.commit import TRYING_AGAIN, Listeners
from rtcdp.store import EpochReport
from rtcdp.telemetry import LATENCY_BUCKETS_S, PARTITIONS_MAX, SIZE_BUCKETS


class EngineInstruments:
    """The engine's telemetry in `registry`. Hears what `heard_by` is given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "rtcdp_epoch_seconds",
            "What an epoch took, from its reading to its commit.",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._records = Histogram(
            "rtcdp_epoch_records", "Records of an epoch.", buckets=SIZE_BUCKETS, registry=registry
        )
        self._judged = Counter(
            "rtcdp_judged_records",
            "Records by verdict and reason, since this process began; summaries count once.",
            ("verdict", "reason"),
            registry=registry,
        )
        self._next_offset = Gauge(
            "rtcdp_engine_next_offset",
            "Where this engine goes on in each partition.",
            ("partition",),
            registry=registry,
        )
        self._waiting = Gauge(
            "rtcdp_engine_waiting_records",
            "Offsets that waited when the last epoch was committed, where the engine asks for them"
            " (Spark does).",
            registry=registry,
        )
        self._troubles = Counter(
            "rtcdp_engine_troubles",
            "Times that the engine told of trouble: 'away' when log or store did not answer and it"
            " tried again, 'other' for the rest.",
            ("kind",),
            registry=registry,
        )
        self._forgotten = Counter(
            "rtcdp_forgotten_ids",
            "Event ids that were forgotten before their time, for want of room.",
            registry=registry,
        )
        self._kept_rows = Counter(
            "rtcdp_row_cache_keys",
            "Keys whose rows folds asked for: a 'hit' was in memory, a 'miss' was read.",
            ("result",),
            registry=registry,
        )
        self._filled = Gauge(
            "rtcdp_filled_ratio",
            "Which share is done of what is filled from the log now; 1 when nothing is.",
            registry=registry,
        )
        self._batch_seconds = Histogram(
            "rtcdp_spark_batch_seconds",
            "What the phases of Spark's batches took, by Spark's own names.",
            ("phase",),
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._batch = Gauge(
            "rtcdp_spark_batch", "The number of Spark's newest batch.", registry=registry
        )
        self._known = _Growth(), _Growth(), _Growth()
        self._filled.set(1)
        for kind in ("away", "other"):
            self._troubles.labels(kind)

    def heard_by(self, listeners: Listeners) -> Listeners:
        """`listeners`, who hear what they did, and these instruments as well."""
        return replace(
            listeners,
            on_epoch=_each(self._on_epoch, listeners.on_epoch),
            on_trouble=_each(self._on_trouble, listeners.on_trouble),
            on_filling=_each(self._on_filling, listeners.on_filling),
            on_progress=_each(self._on_progress, listeners.on_progress),
        )

    def _on_epoch(self, report: EpochReport) -> None:
        forgotten, hits, misses = self._known
        self._seconds.observe(report.duration_ms / 1000)
        self._records.observe(report.record_count)
        self._judged.labels("admitted", "").inc(report.admitted_count)
        for (verdict, reason), count in report.uncounted.items():
            self._judged.labels(verdict, reason).inc(count)
        for partition, offset in sorted(report.next_offsets.items())[:PARTITIONS_MAX]:
            self._next_offset.labels(str(partition)).set(offset)
        if report.waiting_offsets is not None:
            self._waiting.set(report.waiting_offsets)
        self._forgotten.inc(forgotten.to(report.forgotten_ids))
        self._kept_rows.labels("hit").inc(hits.to(report.cache_hits))
        self._kept_rows.labels("miss").inc(misses.to(report.cache_misses))
        self._filled.set(1)

    def _on_trouble(self, sentence: str) -> None:
        self._troubles.labels("away" if sentence.endswith(TRYING_AGAIN) else "other").inc()

    def _on_filling(self, _: str, share: float) -> None:
        self._filled.set(share)

    def _on_progress(self, batch: int, phases_ms: Mapping[str, int]) -> None:
        self._batch.set(batch)
        for phase in sorted(SPARK_PHASES & phases_ms.keys()):
            self._batch_seconds.labels(phase).observe(phases_ms[phase] / 1000)


SPARK_PHASES = frozenset(
    {"triggerExecution", "addBatch", "getBatch", "latestOffset", "queryPlanning"}
    | {"walCommit", "commitOffsets", "commitBatch"}
)
"""What Spark tells of a batch (`StreamingQueryProgress.durationMs`); others are left out."""


class _Growth:
    """By how much a number that only grows has grown; it begins anew with whoever tells it."""

    def __init__(self) -> None:
        self._known = 0

    def to(self, now: int) -> int:
        before, self._known = self._known, now
        return now - before if now >= before else now


def heard_too(listeners: Listeners, on_epoch: Callable[[EpochReport], None]) -> Listeners:
    """`listeners`, and one more who hears of epochs."""
    return replace(listeners, on_epoch=_each(on_epoch, listeners.on_epoch))


def _each(first: Callable[..., object], then: Callable[..., object]) -> Callable[..., None]:
    def both(*told: object) -> None:
        first(*told)
        then(*told)

    return both
