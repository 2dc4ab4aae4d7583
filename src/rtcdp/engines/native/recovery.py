"""What the engine must remember after a restart, and how it is read back from the log's tail."""

from collections.abc import Callable, Iterator, Mapping

from rtcdp.engines.admission import admit, screen_together
from rtcdp.engines.continuation import earliest_to_come
from rtcdp.engines.native.abreast import AbreastReader
from rtcdp.events.rules import AdmissionRules
from rtcdp.events.seen_ids import CLOCK_SLACK_MS, SeenIds
from rtcdp.log.bounded import BoundedLogReader
from rtcdp.log.log import LogReader, Records

_SLICE_BYTES = 16 * 2**20

SliceHandler = Callable[[], None]
"""Called after each slice of a long reading, so that its caller can do what can't wait."""


def seen_ids_until(
    log: LogReader,
    next_offsets: Mapping[int, int],
    seen: SeenIds,
    rules: AdmissionRules,
    on_slice: SliceHandler = lambda: None,
) -> SeenIds:
    """Fill `seen` with the ids of the records before `next_offsets` that a later record could
    repeat: those of the last `dedup_window_ms` of intake time, and a little more."""
    to_come = earliest_to_come(log, next_offsets)
    oldest = to_come - rules.dedup_window_ms - CLOCK_SLACK_MS
    starts = {
        partition: max(log.extent(partition).first_offset, log.offset_at(partition, oldest))
        for partition in next_offsets
    }
    for pieces in rounds_between(log, starts, next_offsets):
        admit(screen_together(pieces, (), rules), seen, to_come)
        on_slice()
    return seen


def rounds_between(
    log: LogReader,
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    round_bytes: int = _SLICE_BYTES,
) -> Iterator[tuple[Records, ...]]:
    """The records `[start, end)` of all partitions in the order in which they were counted, in
    rounds of about `round_bytes`."""
    reader = AbreastReader(BoundedLogReader(log, ends), round_bytes)
    reached = {partition: start for partition, start in starts.items() if start < ends[partition]}
    while pieces := reader.read(reached):
        yield pieces
        reached |= {piece.partition: piece.next_offset for piece in pieces}
