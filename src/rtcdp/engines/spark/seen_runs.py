"""The ids that one bucket of the index has seen: sorted runs, and how a batch is judged by them.

The rule is `rtcdp.admission.repeats`, as with the native engine. A bucket holds what it says in
runs that are sorted by key; runs of a size are merged, so that a batch looks into few (O'Neil et
al., The Log-Structured Merge-Tree, 1996). Pure: where runs rest is `rtcdp.engines.spark.judging`'s
business.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import msgspec
import numpy as np
import numpy.typing as npt

from rtcdp.admission.repeats import (
    Forgotten,
    Ids,
    Remembered,
    Sightings,
    UInt64Array,
    check,
    places_of,
)
from rtcdp.admission.repeats import merged as merged_sightings
from rtcdp.engines.spark.exchange import (
    NEVER,
    BucketVerdicts,
    Int64Array,
    SliceIds,
    pack_offsets,
    unpack_offsets,
)

FAN_IN = 8
"""So many runs of a level become one of the next."""

RUN_IDS_MAX = 2**16
"""A run that holds so many ids is not merged any more: it will be forgotten as a whole."""

BoolArray = npt.NDArray[np.bool_]

RUN_ID_BYTES = 8 * len(fields(Sightings))
"""What an id takes in a run."""


class RunEntry(msgspec.Struct, frozen=True):
    """What is known of a run without reading it: its name, which tells its content, how often its
    ids were merged, how many they are, and by partition the newest offset among their records."""

    name: str
    level: int
    count: int
    newest: dict[int, int]


@dataclass(frozen=True)
class Candidates:
    """Ids of one bucket and batch in the order in which they are decided; one entry a record."""

    partitions: Int64Array
    offsets: Int64Array
    hashes: Int64Array
    received_at: Int64Array
    contents: Int64Array
    is_counted: BoolArray

    def __len__(self) -> int:
        return len(self.hashes)


@dataclass(frozen=True)
class Judged:
    """The verdicts of a batch, by partition, and the run of its ids, with what is known of it."""

    verdicts: tuple[BucketVerdicts, ...]
    run: Sightings
    entry: RunEntry


def in_decision_order(slices: Sequence[SliceIds]) -> Candidates:
    """The ids of a batch's slices in the order of decision: what was decided before comes first,
    then by due time, and in a partition as they stand in its log."""
    ordered = sorted(slices, key=lambda each: (each.partition, -each.position))
    dues: list[Int64Array] = []
    oldest_behind, partition = NEVER, None
    for each in ordered:
        if each.partition != partition:
            oldest_behind, partition = NEVER, each.partition
        due = unpack_offsets(each.due or each.received_at)
        dues.append(np.minimum(due, oldest_behind))
        oldest_behind = min(oldest_behind, each.oldest_due)
    counts = [len(due) for due in dues]
    partitions = np.repeat(np.array([each.partition for each in ordered], np.int64), counts)
    is_counted = np.repeat(np.array([each.is_counted for each in ordered], np.bool_), counts)
    offsets = _joined([each.offsets for each in ordered])
    order = np.lexsort((offsets, partitions, np.concatenate([_NONE, *dues]), is_counted))
    return Candidates(
        partitions=partitions[order],
        offsets=offsets[order],
        hashes=_joined([each.hashes for each in ordered])[order],
        received_at=_joined([each.received_at for each in ordered])[order],
        contents=_joined([each.contents for each in ordered])[order],
        is_counted=is_counted[order],
    )


def judge(candidates: Candidates, runs: Sequence[Sightings], window_ms: int) -> Judged:
    """Tell the duplicates among the counted candidates. `runs` are given from older to newer."""
    ids = Ids(
        candidates.hashes.view(np.uint64),
        candidates.received_at,
        candidates.contents.view(np.uint64),
        places_of(candidates.partitions, candidates.offsets),
        np.arange(len(candidates)),
    )
    newest_at = max((int(run.last_at.max()) for run in runs), default=None)
    remembered = Remembered(runs, lambda keys: np.full(len(keys), bool(runs)), newest_at)
    repeats, run = check(ids, window_ms, remembered, Forgotten({}))
    return Judged(
        tuple(
            _verdicts(
                candidates,
                np.flatnonzero(repeats.is_duplicate & candidates.is_counted),
                np.flatnonzero(repeats.is_conflict & candidates.is_counted),
            )
        ),
        run,
        RunEntry(name_of(run), 0, len(run), _newest(candidates)),
    )


def merge_due(entries: Sequence[RunEntry]) -> int:
    """How many of the last entries are to be merged into one; 0 when none are."""
    last = entries[-FAN_IN:]
    if len(last) < FAN_IN or any(each.level != last[0].level for each in last):
        return 0
    return 0 if any(each.count >= RUN_IDS_MAX for each in last) else FAN_IN


def merged(runs: Sequence[Sightings], entries: Sequence[RunEntry]) -> tuple[Sightings, RunEntry]:
    """Runs, given from older to newer, as one."""
    run = merged_sightings(runs)
    newest: dict[int, int] = {}
    for entry in entries:
        for partition, offset in entry.newest.items():
            newest[partition] = max(newest.get(partition, offset), offset)
    return run, RunEntry(name_of(run), entries[0].level + 1, len(run), newest)


def is_forgettable(entry: RunEntry, remembered_from: Mapping[int, int]) -> bool:
    """Whether every record of a run lies before what has to be remembered."""
    return all(
        offset < remembered_from.get(partition, 0) for partition, offset in entry.newest.items()
    )


def name_of(run: Sightings) -> str:
    """A name that two runs share only if they hold the same."""
    digest = hashlib.blake2b(digest_size=16)
    for column in run.columns:
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()


def pack_run(run: Sightings) -> bytes:
    """A run as bytes."""
    return b"".join(pack_offsets(each.view(np.int64)) for each in run.columns)


def unpack_run(packed: bytes) -> Sightings:
    """The run that was packed."""
    keys, first_at, last_at, contents, places = unpack_offsets(packed).reshape(5, -1)
    return Sightings(_unsigned(keys), first_at, last_at, _unsigned(contents), places)


_NONE = np.empty(0, np.int64)


def _unsigned(column: Int64Array) -> UInt64Array:
    return column.view(np.uint64)


def _joined(packed: Sequence[bytes]) -> Int64Array:
    return unpack_offsets(b"".join(packed))


def _verdicts(
    candidates: Candidates, duplicates: npt.NDArray[np.intp], conflicts: npt.NDArray[np.intp]
) -> list[BucketVerdicts]:
    counted = candidates.partitions[candidates.is_counted]
    found = []
    for partition, count in zip(*np.unique(counted, return_counts=True), strict=True):
        here, differing = (
            np.sort(candidates.offsets[rows[candidates.partitions[rows] == partition]])
            for rows in (duplicates, conflicts)
        )
        found.append(
            BucketVerdicts(int(partition), int(count), pack_offsets(here), pack_offsets(differing))
        )
    return found


def _newest(candidates: Candidates) -> dict[int, int]:
    return {
        partition: int(candidates.offsets[candidates.partitions == partition].max())
        for partition in np.unique(candidates.partitions).tolist()
    }
