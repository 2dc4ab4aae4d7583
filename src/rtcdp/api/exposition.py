"""Telemetry for Prometheus: the ledger's totals and the lag, read from the store when scraped."""

from collections.abc import Iterator, Sequence
from itertools import chain

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from rtcdp.access.needs import READ
from rtcdp.answers.freshness import open_reading
from rtcdp.answers.question import Nothing
from rtcdp.answers.shards import ShardShown, shards_at
from rtcdp.api.context import ApiContext, Context
from rtcdp.api.documentation import documented
from rtcdp.api.query import Asked
from rtcdp.store import StoreUnavailable
from rtcdp.telemetry import PARTITIONS_MAX

_MEANING = {
    "received": "Records that were taken in and looked at.",
    "admitted": "Records that are counted.",
    "duplicate": "Records whose event id was there before.",
    "late": "Valid events that were older at intake than allowed.",
    "dead_letter": "Records that can't be admitted.",
    "conflict": "Duplicates that came with another content.",
    "erased": "Records of users who were erased.",
}


def plain_exposition(registry: CollectorRegistry) -> HTTPRouteHandler:
    """The route of a server that gives no answers: what `registry` holds."""

    @get(
        "/metrics", media_type="text/plain", opt=READ, sync_to_thread=True, include_in_schema=False
    )
    def told() -> Response[bytes]:
        return _in_text(registry)

    return told


class StoreTelemetry(CollectorRegistry):
    """What the store and the log say now, and then whatever `also` holds."""

    def __init__(self, context: ApiContext, also: CollectorRegistry) -> None:
        super().__init__(auto_describe=False)
        self._context = context
        self._also = also

    def collect(self) -> Iterator[Metric]:
        return chain(_families(self._context), self._also.collect())


@get(
    "/metrics",
    summary="Telemetry for Prometheus",
    operation_class=documented(Asked(Nothing), group="Operate"),
    media_type="text/plain",
    opt=READ,
    sync_to_thread=True,
)
def exposition(context: Context) -> Response[bytes]:
    return _in_text(StoreTelemetry(context, context.registry))


def _in_text(registry: CollectorRegistry) -> Response[bytes]:
    text = generate_latest(registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST.rpartition(";")[0])


def _families(context: ApiContext) -> Iterator[Metric]:
    try:
        families = [*_read(context)]
    except StoreUnavailable:
        families = []
    is_readable = "Is 1 if the store could be read for this answer. With 0, much else is absent."
    yield GaugeMetricFamily("rtcdp_store_readable", is_readable, int(bool(families)))
    yield from families


def told_of_shards(shards: Sequence[ShardShown]) -> Iterator[Metric]:
    """What is told of the shards of a store; nothing of one that is not divided."""
    if not shards:
        return
    held = GaugeMetricFamily(
        "rtcdp_shard_processors", "1 while a processor has the shard, else 0.", labels=["shard"]
    )
    waiting = GaugeMetricFamily(
        "rtcdp_shard_waiting_records",
        "Offsets of the shard's partitions that are not counted yet.",
        labels=["shard"],
    )
    for shard in shards[:PARTITIONS_MAX]:
        held.add_metric([str(shard.shard)], int(shard.has_processor))
        if shard.waiting is not None:
            waiting.add_metric([str(shard.shard)], shard.waiting)
    yield from (held, waiting)


def _read(context: ApiContext) -> Iterator[Metric]:
    with open_reading(context.installation) as reading:
        totals = reading.snapshot.ledger_totals()
        progress, lag_ms = reading.snapshot.progress, reading.freshness.lag_ms
        kept = reading.snapshot.kept_time()
    for name, total in totals.items():
        yield CounterMetricFamily(f"rtcdp_{name}_records", _MEANING[name], value=total)
    if lag_ms is not None:
        seconds = lag_ms / 1000
        yield GaugeMetricFamily("rtcdp_lag_seconds", "How far the answers are behind.", seconds)
    yield GaugeMetricFamily("rtcdp_store_epoch", "The number of the newest commit.", progress.epoch)
    step = "By how much the host's clock was last set against its monotonic one."
    yield GaugeMetricFamily("rtcdp_clock_step_seconds", step, kept.step_ms / 1000)
    suspended = "1 while nothing is deleted, because the clock was set."
    yield GaugeMetricFamily("rtcdp_expiry_suspended", suspended, int(kept.is_suspended))
    yield from told_of_shards(shards_at(context.installation, progress))
    if context.installation.log is not None:
        extents = context.installation.sight.extents(context.installation.log)
        size = GaugeMetricFamily(
            "rtcdp_log_size_bytes", "What the log takes on disk.", labels=["partition"]
        )
        end = GaugeMetricFamily(
            "rtcdp_log_next_offset", "Where the log ends.", labels=["partition"]
        )
        reached = GaugeMetricFamily(
            "rtcdp_counted_offset", "Up to where it is counted.", labels=["partition"]
        )
        waiting = GaugeMetricFamily(
            "rtcdp_waiting_records", "Offsets that are not counted yet.", labels=["partition"]
        )
        for extent in () if isinstance(extents, str) else extents[:PARTITIONS_MAX]:
            labels = [str(extent.partition)]
            next_offset = max(extent.first_offset, progress.next_offsets.get(extent.partition, 0))
            size.add_metric(labels, extent.bytes)
            end.add_metric(labels, extent.next_offset)
            reached.add_metric(labels, next_offset)
            waiting.add_metric(labels, max(0, extent.next_offset - next_offset))
        yield from (size, end, reached, waiting)
