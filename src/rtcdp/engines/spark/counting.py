"""A batch counted, epoch by epoch: one where it is small, more where the records that do not count
are many, and many where one record makes it fail."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException

from rtcdp.admission.batch import account, reject
from rtcdp.admission.verdicts import UNCOUNTED_SCHEMA
from rtcdp.engines.quarantine import FAILURES, is_fault_of_a_record, rejection_for
from rtcdp.engines.spark.accounts import (
    BatchAccount,
    Tally,
    epoch_of,
    tally_of,
    tally_of_part,
    whole_of,
)
from rtcdp.engines.spark.batches import Batch
from rtcdp.engines.spark.exchange import are_among
from rtcdp.engines.spark.failures import StartAnew, is_away, is_slow_start
from rtcdp.engines.spark.parts import Part, bounded, halves, in_decision_order
from rtcdp.log.contract import LogReader
from rtcdp.store import Epoch, Progress

UNCOUNTED_BYTES_MAX = 16 * 2**20
"""The records of an epoch that do not count weigh no more than this on the driver, or are one."""

LEFT_OUT_IN_A_ROW_MAX = 100
"""When so many records in a row can't be counted, it isn't their fault."""

_DUPLICATE_BYTES = 300
_NOTHING = UNCOUNTED_SCHEMA.to_frame(eager=True)


@dataclass(frozen=True)
class Surroundings:
    """What counting needs besides a batch: the log that it came from, what tells where the store
    stands, what commits an epoch, who hears of it afterwards, and who hears of trouble."""

    log: LogReader
    progress: Callable[[], Progress]
    commit: Callable[[Epoch], None]
    report: Callable[[Epoch], None]
    on_trouble: Callable[[str], None]
    is_stopping: Callable[[], bool]


class Counting:
    """Counts batches, and knows how many records in a row could not be counted."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._left_out_in_a_row = 0

    def count(
        self,
        kept: Batch,
        batch: BatchAccount,
        next_offsets: Mapping[int, int],
        remembered_from: Mapping[int, int],
    ) -> None:
        """Count all of a batch that ends at `next_offsets`, after which ids are remembered from
        `remembered_from` on.

        Raises `StartAnew` when a record was left out whose id the index has taken for seen: the
        batch has to be run again, which fills the index with what was decided.
        """
        whole = whole_of(batch, next_offsets, self._around.progress())
        if not whole.ranges:
            return
        ends = {partition: end for partition, (_, end) in whole.ranges.items()}
        known = {each: at for each, at in remembered_from.items() if each in ends}
        for part in self._bounded(kept, batch, whole):
            is_last = all(ends[partition] == end for partition, (_, end) in part.ranges.items())
            self._count(kept, batch, part, known if is_last else {})

    def _bounded(self, kept: Batch, batch: BatchAccount, whole: Part) -> Iterator[Part]:
        weight = sum(each.uncounted_bytes for each in batch.counted)
        if weight + batch.duplicate_count * _DUPLICATE_BYTES <= UNCOUNTED_BYTES_MAX:
            yield whole
        else:
            yield from bounded(_with_places(kept, batch, whole), UNCOUNTED_BYTES_MAX)

    def _count(
        self, kept: Batch, batch: BatchAccount, part: Part, remembered_from: Mapping[int, int]
    ) -> None:
        """Count a part. What can't be counted is taken apart until it can."""
        try:
            epoch = self._epoch(kept, batch, part)
            if epoch is not None:
                self._around.commit(replace(epoch, remembered_from=remembered_from))
        except FAILURES as error:
            if not self._is_fault_of_a_record(error):
                raise
            part = part if part.places is not None else _with_places(kept, batch, part)
            if part.record_count > 1:
                first, second = halves(part)
                self._count(kept, batch, first, {})
                self._count(kept, batch, second, remembered_from)
            elif part.record_count == 0 or self._left_out_in_a_row >= LEFT_OUT_IN_A_ROW_MAX:
                raise
            else:
                self._leave_out(part, error)
        else:
            self._left_out_in_a_row = 0
            if epoch is not None:
                self._around.report(epoch)

    def _epoch(self, kept: Batch, batch: BatchAccount, part: Part) -> Epoch | None:
        has_uncounted = bool(batch.duplicates) or any(e.uncounted_count for e in batch.counted)
        duplicates, ranges = batch.duplicates, part.ranges
        tally = tally_of(batch) if part.places is None else tally_of_part(kept.ledger(ranges))
        uncounted = kept.uncounted(duplicates, ranges) if has_uncounted else _NOTHING
        changes = kept.changes(duplicates, ranges) if batch.counted else ()
        epoch = epoch_of(part, tally, uncounted, changes, self._around.progress())
        if epoch is None or not batch.counted:
            return epoch
        return replace(epoch, rows=kept.row_changes(duplicates, ranges, epoch.number))

    def _leave_out(self, part: Part, error: BaseException) -> None:
        """Make the one record of a part a dead letter."""
        assert part.places is not None
        self._left_out_in_a_row += 1
        place = part.places.row(0, named=True)
        partition, offset = place["partition"], place["offset"]
        rejection = rejection_for(error)
        records = self._around.log.read(partition, offset, 1).until(offset + 1)
        decoded = reject((records.since(offset),), rejection)
        rejected = account(decoded, decoded.verdicts, decoded.verdicts.astype(bool))
        newest = max((record.received_at for record, _ in decoded.rejected), default=0)
        tally = Tally(rejected.ledger, {}, {partition: newest})
        self._around.on_trouble(
            f"the record at offset {offset} of partition {partition} could not be counted and "
            f"became a dead letter: {rejection.message}"
        )
        epoch = epoch_of(part, tally, rejected.uncounted, (), self._around.progress())
        assert epoch is not None
        self._around.commit(epoch)
        self._around.report(epoch)
        if place["id_hash"] is not None:
            raise StartAnew

    def _is_fault_of_a_record(self, error: BaseException) -> bool:
        if self._around.is_stopping() or isinstance(error, StartAnew):
            return False
        if isinstance(error, Py4JError | PySparkException):
            is_of_a_job = isinstance(error, Py4JJavaError | PySparkException)
            return is_of_a_job and not is_away(error) and not is_slow_start(error)
        return is_fault_of_a_record(error)


def _with_places(kept: Batch, batch: BatchAccount, part: Part) -> Part:
    """The part with its records in the order in which they were decided."""
    places = kept.places(part.ranges)
    is_duplicate = np.zeros(places.height, np.bool_)
    partitions, offsets = places["partition"].to_numpy(), places["offset"].to_numpy()
    for partition, found in batch.duplicates.items():
        is_duplicate |= (partitions == partition) & are_among(offsets, found.offsets)
    weights = pl.Series(np.where(is_duplicate, _DUPLICATE_BYTES, 0), dtype=pl.Int64)
    places = places.with_columns(bytes=pl.col("bytes") + weights)
    return replace(part, places=in_decision_order(places))
