"""Where an engine goes on in a log: is it the one that was counted, and how far back to look."""

from collections.abc import Iterator, Mapping

from rtcdp.admission.rules import AdmissionRules
from rtcdp.log.contract import LogReader, LogReplaced, OffsetsMissing, Records
from rtcdp.log.marks import is_known_again
from rtcdp.store import Progress

_SLICE_BYTES = 16 * 2**20


def records_between(
    log: LogReader, partition: int, offset: int, next_offset: int
) -> Iterator[Records]:
    """The records `[offset, next_offset)` of one partition in slices, the last one cut where it has
    to end."""
    while offset < next_offset:
        records = log.read(partition, offset, _SLICE_BYTES)
        if len(records) == 0:
            return
        yield records.until(next_offset)
        offset = records.next_offset


def held_from(log: LogReader, progress: Progress) -> dict[int, int]:
    """The first offset that the log still holds, of every partition that was counted."""
    return {partition: log.extent(partition).first_offset for partition in progress.next_offsets}


def rules_changed(
    before: AdmissionRules, after: AdmissionRules, next_offsets: Mapping[int, int]
) -> str:
    """What to say of rules that come into force now."""
    changes = ", ".join(
        f"{name} from {was:,} to {is_now:,}"
        for (name, was), is_now in zip(vars(before).items(), vars(after).values(), strict=True)
        if was != is_now
    )
    places = ", ".join(f"{offset} of partition {p}" for p, offset in sorted(next_offsets.items()))
    return (
        f"the rules of admission have changed ({changes}): they apply from offset {places} on;"
        " what was decided before stays as it was decided"
    )


def check_continuation(log: LogReader, progress: Progress) -> None:
    """Raises `LogReplaced` and `OffsetsMissing` as `check_same_log` does, and `OffsetsMissing` also
    when the log no longer holds what comes next."""
    check_same_log(log, progress)
    for partition, next_offset in progress.next_offsets.items():
        first_offset = log.extent(partition).first_offset
        if next_offset < first_offset:
            raise OffsetsMissing(
                f"the store has counted partition {partition} of the log up to offset "
                f"{next_offset}, but the log begins at {first_offset}: what lies between was"
                " deleted before it was counted",
                "let the log keep its records for longer; to go on without the missing ones, give "
                "it a new store",
            )


def check_same_log(log: LogReader, progress: Progress) -> None:
    """Raises `LogReplaced` when the log is not the one that was counted up to `progress`, or an
    older copy of it that has grown since, and `OffsetsMissing` when it does not reach so far."""
    check_reach(log, progress)
    # After the reach, which needs no record to be read: most strangers are found by it.
    for partition in progress.next_offsets:
        _check_mark(log, partition, progress)


def check_reach(log: LogReader, progress: Progress) -> None:
    """The same without reading a record, so that an older copy that has grown is not noticed."""
    log_id = log.log_id()
    check_log_id(progress, log_id)
    if progress.log_id and not log_id:
        raise LogReplaced(
            f"the store has counted the log {progress.log_id}, but there is no log: it was deleted,"
            " or it is in another place",
            "bring it back; to begin with a new log, give it a store of its own",
        )
    there = set(log.partitions())
    for partition, next_offset in progress.next_offsets.items():
        if partition not in there:
            raise OffsetsMissing(
                f"the store has counted partition {partition} of the log, but the log has no such "
                "partition: it was replaced",
                "give a new log a store of its own, or bring the old log back",
            )
        end = log.extent(partition).next_offset
        if next_offset > end:
            raise OffsetsMissing(
                f"the store has counted partition {partition} of the log up to offset "
                f"{next_offset}, but the log ends at {end}: it was replaced or cut off",
                "give a new log a store of its own, or bring the old log back",
            )


def _check_mark(log: LogReader, partition: int, progress: Progress) -> None:
    mark = progress.marks.get(partition)
    if mark is not None and is_known_again(log, partition, mark) is False:
        raise LogReplaced(
            f"the record at offset {mark.offset} of partition {partition} is not the one that the "
            f"store has counted there, up to offset {progress.next_offsets[partition]}: the log is "
            "an older copy that has grown since, or its end was replaced",
            "bring back the log that was counted, or give this one a store of its own, which counts"
            " it from its beginning",
        )


def check_log_id(progress: Progress, log_id: str) -> None:
    """Raises `LogReplaced` when the store has counted another log than the one with this name."""
    if progress.log_id and log_id and progress.log_id != log_id:
        raise LogReplaced(
            f"the store has counted the log {progress.log_id}, but this log is {log_id}: it was "
            "deleted and made anew, or it is another one",
            "give a new log a store of its own, or bring the old log back",
        )
