"""What the engine must remember after a restart, and how it is read back from the log's tail."""

from collections.abc import Iterator, Mapping

from rtcdp.engines.native.admission import admit, screen
from rtcdp.events.admission import AdmissionRules
from rtcdp.events.seen_ids import SeenIds
from rtcdp.log.log import LogReader, Records

_SLICE_BYTES = 16 * 2**20


def seen_ids_until(
    log: LogReader, next_offsets: Mapping[int, int], seen: SeenIds, rules: AdmissionRules
) -> SeenIds:
    """Fill `seen` with the ids of the records before `next_offsets` that a later record could
    repeat: those of the last `dedup_window_ms` of intake time."""
    for partition, next_offset in next_offsets.items():
        extent = log.extent(partition)
        oldest = extent.newest_received_at - rules.dedup_window_ms
        start = max(extent.first_offset, log.offset_at(partition, oldest))
        for records in records_between(log, partition, start, next_offset):
            admit(screen(records, (), rules), seen)
    return seen


def records_between(
    log: LogReader, partition: int, offset: int, next_offset: int, slice_bytes: int = _SLICE_BYTES
) -> Iterator[Records]:
    """The records `[offset, next_offset)` in slices, the last one cut where it has to end."""
    while offset < next_offset:
        records = log.read(partition, offset, slice_bytes)
        if len(records) == 0:
            return
        yield records.until(next_offset)
        offset = records.next_offset
