"""In which order the records of several partitions are decided: of each partition as they stand in
its log, and of all of them by when they were taken in.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from rtcdp.log.contract import Records


def lined_up(
    pieces: Sequence[Records],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Partition, offset and due time (UTC ms) of every record of these pieces, by partition and
    offset, whatever the order of the pieces. One whose intake time was lost is due with the next.
    """
    partitions, offsets, received_at, _ = columns_of(pieces)
    odd = [record for piece in pieces for record in piece.odd]
    if odd:
        partitions = np.append(partitions, [record.partition for record in odd])
        offsets = np.append(offsets, [record.offset for record in odd])
        received_at = np.append(received_at, [record.received_at for record in odd])
    order = np.lexsort((offsets, partitions))
    partitions, offsets, received_at = partitions[order], offsets[order], received_at[order]
    due = np.where(received_at > 0, received_at, np.iinfo(np.int64).max)
    for _, rows in rows_by_partition(partitions):
        due[rows] = due_times(due[rows])
    return partitions, offsets, due


def due_times(received_at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The times (UTC ms) that put the records of one partition, given in log order, in line with
    those of others: of each record the earliest intake time from it on.

    They never run backwards, so that the log's order holds, and a record whose clock was ahead
    does not hold up those behind it.
    """
    times: npt.NDArray[np.int64] = np.minimum.accumulate(received_at[::-1])[::-1]
    return times


def columns_of(
    pieces: Sequence[Records],
) -> tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]
]:
    """Partition, offset, intake time and whether it was imported, of each line of all pieces."""
    if len(pieces) == 1:
        only = pieces[0]
        partitions = np.full(len(only.offsets), only.partition, np.int64)
        return partitions, only.offsets, only.received_at, only.imported
    return (
        np.repeat(
            np.array([piece.partition for piece in pieces], np.int64),
            [len(piece.offsets) for piece in pieces],
        ),
        np.concatenate([piece.offsets for piece in pieces]),
        np.concatenate([piece.received_at for piece in pieces]),
        np.concatenate([piece.imported for piece in pieces]),
    )


def rows_by_partition(partitions: npt.NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """The rows of each partition, in an array that is sorted."""
    if len(partitions) == 0:
        return
    borders = [0, *(np.flatnonzero(partitions[1:] != partitions[:-1]) + 1).tolist()]
    for start, stop in zip(borders, [*borders[1:], len(partitions)], strict=True):
        yield int(partitions[start]), slice(start, stop)
