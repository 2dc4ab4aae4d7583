"""Tells a new collector what the log has already."""

from rtcdp.clock import Clock
from rtcdp.collector.collector import Collector
from rtcdp.log.log import LogReader
from rtcdp.settings import Settings

PRIMED_RECORDS = 50_000
"""How many of the newest records are looked at for ids that may come again. What a client sends
again after a restart is its last requests; looking at these takes a twentieth of a second."""

_SLICE_BYTES = 8 * 2**20


def prime(collector: Collector, log: LogReader, settings: Settings, clock: Clock) -> None:
    """Give the collector the sources and ids of the newest records, `PRIMED_RECORDS` at most, none
    older than ids are remembered."""
    oldest = clock.now_ms() - settings.admission.dedup_window_ms
    for partition in log.partitions():
        extent = log.extent(partition)
        bounded = max(extent.first_offset, extent.next_offset - PRIMED_RECORDS)
        offset = max(bounded, log.offset_at(partition, oldest))
        while offset < extent.next_offset:
            records = log.read(partition, offset, _SLICE_BYTES)
            collector.prime(records)
            offset = records.next_offset
