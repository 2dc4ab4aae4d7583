"""Tells a new collector what the log has already."""

from rtcdp.clock import Clock
from rtcdp.engines.native.recovery import rounds_between
from rtcdp.intake.collector import Collector
from rtcdp.log.contract import LogReader
from rtcdp.runtime.settings import Settings

RECALLED_RECORDS = 50_000
"""How many of the newest records are looked at for ids that may come again. What a client sends
again after a restart is its last requests; looking at these takes a twentieth of a second."""

_SLICE_BYTES = 8 * 2**20


def recall(collector: Collector, log: LogReader, settings: Settings, clock: Clock) -> None:
    """Give the collector the sources and ids of the newest records, `RECALLED_RECORDS` at most over
    all partitions, none older than ids are remembered."""
    oldest = clock.now_ms() - settings.admission.dedup_window_ms
    extents = [log.extent(partition) for partition in log.partitions()]
    most = RECALLED_RECORDS // max(1, len(extents))
    starts = {
        extent.partition: max(
            extent.first_offset,
            extent.next_offset - most,
            log.offset_at(extent.partition, oldest),
        )
        for extent in extents
    }
    ends = {extent.partition: extent.next_offset for extent in extents}
    for pieces in rounds_between(log, starts, ends, _SLICE_BYTES):
        for records in pieces:
            collector.recall(records)
