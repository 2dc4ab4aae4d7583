"""From decoded and admitted records to the epoch that is committed."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rtcdp.admission.batch import AdmittedBatch, DecodedBatch
from rtcdp.log.contract import Records
from rtcdp.log.marks import last_marks
from rtcdp.store import Epoch, EpochSpan, Progress, TableChange


def epoch_after(
    progress: Progress,
    decoded: DecodedBatch,
    batch: AdmittedBatch,
    changes: Sequence[TableChange],
    log_id: str,
) -> Epoch:
    """The epoch that follows `progress`, without the time of its commit."""
    pieces = decoded.pieces
    return Epoch(
        number=progress.epoch + 1,
        spans=tuple(_spans(decoded)),
        changes=tuple(changes),
        ledger=batch.ledger,
        uncounted=batch.uncounted,
        max_received_at=_max_received_at(decoded, progress),
        gaps=sum(len(piece) - piece.received_count for piece in pieces),
        log_id=log_id,
        marks=last_marks(pieces),
    )


def _spans(decoded: DecodedBatch) -> Iterator[EpochSpan]:
    timestamps = decoded.events["timestamp"].to_numpy()
    for partition, group in groupby(decoded.pieces, key=_partition_of):
        pieces = list(group)
        times = timestamps[_rows_of(decoded, partition)]
        yield EpochSpan(
            partition=partition,
            first_offset=pieces[0].first_offset,
            next_offset=pieces[-1].next_offset,
            min_event_time=int(times.min()) if len(times) else None,
            max_event_time=int(times.max()) if len(times) else None,
        )


def _max_received_at(decoded: DecodedBatch, progress: Progress) -> dict[int, int]:
    newest = {
        piece.partition: progress.max_received_at.get(piece.partition, 0)
        for piece in decoded.pieces
    }
    for partition, known in newest.items():
        times = decoded.received_at[_rows_of(decoded, partition)]
        if len(times):
            newest[partition] = max(known, int(times.max()))
    for record, _ in decoded.rejected:
        newest[record.partition] = max(newest[record.partition], record.received_at)
    return newest


def _rows_of(decoded: DecodedBatch, partition: int) -> slice:
    start, stop = decoded.partitions.searchsorted([partition, partition + 1])
    return slice(int(start), int(stop))


def _partition_of(piece: Records) -> int:
    return piece.partition
