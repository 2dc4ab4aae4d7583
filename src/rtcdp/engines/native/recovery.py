"""What the engine must remember after a restart, and how it is read back from the log's tail."""

from collections.abc import Iterator, Mapping

from rtcdp.engines.native.admission import admit, screen
from rtcdp.events.rules import AdmissionRules
from rtcdp.events.seen_ids import CLOCK_SLACK_MS, SeenIds
from rtcdp.log.log import LogReader, Records

_SLICE_BYTES = 16 * 2**20
_CLOCK_RECORDS = 2_000
_CLOCK_BYTES = 2**18


def seen_ids_until(
    log: LogReader, next_offsets: Mapping[int, int], seen: SeenIds, rules: AdmissionRules
) -> SeenIds:
    """Fill `seen` with the ids of the records before `next_offsets` that a later record could
    repeat: those of the last `dedup_window_ms` of intake time, and a little more."""
    for partition, next_offset in next_offsets.items():
        first_offset = log.extent(partition).first_offset
        around = max(first_offset, next_offset - _CLOCK_RECORDS)
        oldest = _earliest_intake(log, partition, around, next_offset)
        wanted = log.offset_at(partition, oldest - rules.dedup_window_ms - CLOCK_SLACK_MS)
        for records in records_between(log, partition, max(first_offset, wanted), next_offset):
            admit(screen(records, (), rules), seen)
    return seen


def _earliest_intake(log: LogReader, partition: int, offset: int, next_offset: int) -> int:
    """The smallest intake time shortly before `next_offset` and shortly after.

    Not that of one record: a clock that was wrong for a moment must not hide what came before.
    """
    before = list(records_between(log, partition, offset, next_offset))
    after = log.read(partition, next_offset, _CLOCK_BYTES)
    times = [record.received_at for records in (*before, after) for record in records.odd]
    times += [int(r.received_at.min()) for r in (*before, after) if len(r.received_at)]
    return min((time for time in times if time > 0), default=0)


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
