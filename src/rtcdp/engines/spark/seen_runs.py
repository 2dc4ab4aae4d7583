"""The ids that one bucket of the index has seen: sorted runs, and how a batch is judged by them.

The rule is the native engine's, to the letter: a record is a duplicate if the record before it with
the same source and id came at most a dedup window of intake time away. A bucket holds, per id, the
last intake time and a hash of the content, in runs that are sorted by the id's hash; runs of a size
are merged, so that a batch looks into few (O'Neil et al., The Log-Structured Merge-Tree, 1996).
Pure: where runs rest is `rtcdp.engines.spark.judging`'s business.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True)
class Run:
    """Ids sorted by hash, each once, with the last intake time (UTC ms) and content of each."""

    hashes: Int64Array
    received_at: Int64Array
    contents: Int64Array

    def __len__(self) -> int:
        return len(self.hashes)


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
    run: Run
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


def judge(candidates: Candidates, runs: Sequence[Run], window_ms: int) -> Judged:
    """Tell the duplicates among the counted candidates. `runs` are given from older to newer."""
    order = np.argsort(candidates.hashes, kind="stable")
    hashes, received_at = candidates.hashes[order], candidates.received_at[order]
    contents = candidates.contents[order]
    previous_at = np.zeros(len(order), np.int64)
    previous_content = np.zeros(len(order), np.int64)
    has_previous = np.zeros(len(order), np.bool_)
    for run in runs if len(order) else ():
        at = np.searchsorted(run.hashes, hashes)
        at[at == len(run)] = 0
        found = np.flatnonzero(run.hashes[at] == hashes)
        previous_at[found] = run.received_at[at[found]]
        previous_content[found] = run.contents[at[found]]
        has_previous[found] = True
    repeated = np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
    previous_at[repeated] = received_at[repeated - 1]
    previous_content[repeated] = contents[repeated - 1]
    has_previous[repeated] = True
    is_near = np.abs(received_at - previous_at) <= window_ms
    is_duplicate = has_previous & is_near & candidates.is_counted[order]
    is_conflict = is_duplicate & (contents != previous_content)
    is_last = np.append(hashes[1:] != hashes[:-1], np.ones(min(1, len(order)), np.bool_))
    run = Run(hashes[is_last], received_at[is_last], contents[is_last])
    return Judged(
        tuple(_verdicts(candidates, order[is_duplicate], order[is_conflict])),
        run,
        RunEntry(name_of(run), 0, len(run), _newest(candidates)),
    )


def merge_due(entries: Sequence[RunEntry]) -> int:
    """How many of the last entries are to be merged into one; 0 when none are."""
    last = entries[-FAN_IN:]
    if len(last) < FAN_IN or any(each.level != last[0].level for each in last):
        return 0
    return 0 if any(each.count >= RUN_IDS_MAX for each in last) else FAN_IN


def merged(runs: Sequence[Run], entries: Sequence[RunEntry]) -> tuple[Run, RunEntry]:
    """Runs, given from older to newer, as one."""
    hashes = np.concatenate([run.hashes for run in runs])
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    is_last = np.append(hashes[1:] != hashes[:-1], True)
    kept = order[is_last]
    run = Run(
        hashes[is_last],
        np.concatenate([run.received_at for run in runs])[kept],
        np.concatenate([run.contents for run in runs])[kept],
    )
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


def name_of(run: Run) -> str:
    """A name that two runs share only if they hold the same."""
    digest = hashlib.blake2b(digest_size=16)
    for column in (run.hashes, run.received_at, run.contents):
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()


def pack_run(run: Run) -> bytes:
    """A run as bytes."""
    return b"".join(pack_offsets(each) for each in (run.hashes, run.received_at, run.contents))


def unpack_run(packed: bytes) -> Run:
    """The run that was packed."""
    hashes, received_at, contents = unpack_offsets(packed).reshape(3, -1)
    return Run(hashes, received_at, contents)


_NONE = np.empty(0, np.int64)


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
