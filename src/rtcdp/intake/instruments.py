"""What a collector tells operators: counted by itself, read when it is scraped."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Scraped

from rtcdp.intake.collector import Collector, GroupHandler
from rtcdp.intake.problem import REFUSALS
from rtcdp.telemetry import LATENCY_BUCKETS_S, SIZE_BUCKETS

_COUNTED = {
    "requests": ("rtcdp_intake_requests", "Requests whose events are durable."),
    "events": ("rtcdp_intake_events", "Events of these requests, the rejected ones among them."),
    "rejected": ("rtcdp_intake_rejected_events", "Events that an answer rejected."),
    "duplicates": ("rtcdp_intake_duplicate_events", "Events whose id was remembered."),
    "bytes": ("rtcdp_intake_bytes", "Bytes of durable requests, decompressed."),
}
_HELD = {
    "pending_requests": ("rtcdp_intake_waiting_requests", "Requests that wait for the log."),
    "pending_bytes": ("rtcdp_intake_waiting_bytes", "What bodies and waiting requests hold."),
    "recent_ids": ("rtcdp_intake_remembered_ids", "Event ids that are remembered for answers."),
}


def instrument(collectors: Mapping[str, Collector], registry: CollectorRegistry) -> None:
    """Let `registry` tell of these collectors, by the name of their stream, from now on."""
    seconds = Histogram(
        "rtcdp_log_append_seconds",
        "What the append of a group of requests took, until it was durable.",
        ("stream",),
        buckets=LATENCY_BUCKETS_S,
        registry=registry,
    )
    requests = Histogram(
        "rtcdp_log_append_requests",
        "Requests that were made durable together.",
        ("stream",),
        buckets=SIZE_BUCKETS,
        registry=registry,
    )
    for stream, collector in collectors.items():
        took, held = seconds.labels(stream), requests.labels(stream)
        collector.on_group = _both(took, held)
    registry.register(_Stats(collectors))


def _both(took: Histogram, held: Histogram) -> GroupHandler:
    def observe(commit_s: float, request_count: int) -> None:
        took.observe(commit_s)
        held.observe(request_count)

    return observe


class _Stats(Scraped):
    """The collectors' own counts."""

    def __init__(self, collectors: Mapping[str, Collector]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Metric]:
        stats = {stream: each.stats() for stream, each in self._collectors.items()}
        for field, (name, meaning) in _COUNTED.items():
            counter = CounterMetricFamily(name, meaning, labels=["stream"])
            for stream, found in stats.items():
                counter.add_metric([stream], getattr(found, field))
            yield counter
        for field, (name, meaning) in _HELD.items():
            gauge = GaugeMetricFamily(name, meaning, labels=["stream"])
            for stream, found in stats.items():
                gauge.add_metric([stream], getattr(found, field))
            yield gauge
        refused = CounterMetricFamily(
            "rtcdp_intake_refused_requests",
            "Requests of which nothing was recorded, by the code of the answer.",
            labels=["stream", "reason"],
        )
        for stream, found in stats.items():
            for code in REFUSALS:
                refused.add_metric([stream, code], found.refused.get(code, 0))
        yield refused
