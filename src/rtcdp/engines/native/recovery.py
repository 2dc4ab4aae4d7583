"""What the engine must remember after a restart, and how it is read back from the log's tail."""

from collections.abc import Callable, Iterator, Mapping

from rtcdp.engines.admission import admit, screen_together
from rtcdp.engines.native.abreast import AbreastReader
from rtcdp.events.rules import AdmissionRules
from rtcdp.events.seen_ids import CLOCK_SLACK_MS, SeenIds
from rtcdp.log.bounded import BoundedLogReader
from rtcdp.log.log import LogReader, LogReplaced, OffsetsMissing, Records
from rtcdp.store.store import Progress

_SLICE_BYTES = 16 * 2**20
_CLOCK_RECORDS = 2_000
_CLOCK_BYTES = 2**18

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
    to_come = _earliest_to_come(log, next_offsets)
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


def _earliest_to_come(log: LogReader, next_offsets: Mapping[int, int]) -> int:
    """An intake time (UTC ms) that no record after `next_offsets` comes before.

    What is there already tells it. What will come is no older than what was counted last, in
    whichever partition; there it is not the time of one record, because a clock that was wrong for
    a moment must not hide what came before.
    """
    to_come: list[int] = []
    counted: list[int] = []
    for partition, next_offset in next_offsets.items():
        to_come += _times_of(log.read(partition, next_offset, _CLOCK_BYTES))
        before = max(log.extent(partition).first_offset, next_offset - _CLOCK_RECORDS)
        recent = [
            time
            for records in records_between(log, partition, before, next_offset)
            for time in _times_of(records)
        ]
        counted += [min(recent)] if recent else []
    if not counted:
        return min(to_come, default=0)
    return min([max(counted), *to_come])


def _times_of(records: Records) -> list[int]:
    times = [record.received_at for record in records.odd]
    times += [int(records.received_at.min())] if len(records.received_at) else []
    return [time for time in times if time > 0]


def records_between(
    log: LogReader, partition: int, offset: int, next_offset: int, slice_bytes: int = _SLICE_BYTES
) -> Iterator[Records]:
    """The records `[offset, next_offset)` of one partition in slices, the last one cut where it has
    to end."""
    while offset < next_offset:
        records = log.read(partition, offset, slice_bytes)
        if len(records) == 0:
            return
        yield records.until(next_offset)
        offset = records.next_offset


def check_continuation(log: LogReader, progress: Progress) -> None:
    """Raises `LogReplaced` when the log is not the one that was counted up to `progress`, and
    `OffsetsMissing` when it does not reach so far, or no longer holds what comes next."""
    check_log_id(progress, log.log_id())
    there = set(log.partitions())
    for partition, next_offset in progress.next_offsets.items():
        if partition not in there:
            raise OffsetsMissing(
                f"the store has counted partition {partition} of the log, but the log has no such "
                "partition: it was replaced",
                "give a new log a store of its own, or bring the old log back",
            )
        extent = log.extent(partition)
        if next_offset > extent.next_offset:
            raise OffsetsMissing(
                f"the store has counted partition {partition} of the log up to offset "
                f"{next_offset}, but the log ends at {extent.next_offset}: it was replaced or cut "
                "off",
                "give a new log a store of its own, or bring the old log back",
            )
        if next_offset < extent.first_offset:
            raise OffsetsMissing(
                f"the store has counted partition {partition} of the log up to offset "
                f"{next_offset}, but the log begins at {extent.first_offset}: what lies between was"
                " deleted before it was counted",
                "let the log keep its records for longer; to go on without the missing ones, give "
                "it a new store",
            )


def check_log_id(progress: Progress, log_id: str) -> None:
    """Raises `LogReplaced` when the store has counted another log than the one with this name."""
    if progress.log_id and log_id and progress.log_id != log_id:
        raise LogReplaced(
            f"the store has counted the log {progress.log_id}, but this log is {log_id}: it was "
            "deleted and made anew, or it is another one",
            "give a new log a store of its own, or bring the old log back",
        )
