"""A processor of one shard: some of the log's partitions, and what they change in the store.

What several shards add to the same rows (a metric's panes, the ledger) adds up, whoever comes
first. What is one user's story is one shard's alone, because a log is keyed by user; that is looked
at here, record by record, and not taken on trust.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rtcdp.admission.batch import ADMITTED, DecodedBatch
from rtcdp.admission.rules import AdmissionRules
from rtcdp.clock import Clock
from rtcdp.definitions import Metric
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.native.under_way import Pieces
from rtcdp.engines.notices import NOTICES, renumbered
from rtcdp.log.contract import LogReader
from rtcdp.log.keying import partitions_of_keys
from rtcdp.log.views import PartLogReader
from rtcdp.store import Epoch, EpochReport, RowChanges, Store
from rtcdp.store.divided import DivisionChanged, MisplacedUser
from rtcdp.store.division import Division


@dataclass(frozen=True)
class Part:
    """One shard of a division, the log to read it from, and the store to write it to."""

    shard: int
    division: Division
    log: LogReader
    store: Store

    @property
    def log_of_shard(self) -> LogReader:
        """The shard's partitions alone. Raises `DivisionChanged` when the whole log has others than
        the division knows."""
        return PartLogReader(
            self.log, self.division.partitions_of(self.shard), self._check_partitions
        )

    def check_users(self, batch: DecodedBatch) -> None:
        """Raises `MisplacedUser` when a record that may count is of a user of another shard."""
        may_count = batch.verdicts == ADMITTED
        users = batch.events["userId"].filter(may_count)
        distinct = users.unique()
        places = partitions_of_keys(distinct, self.division.partitions)
        is_other = places % self.division.shards != self.shard
        if not is_other.any():
            return
        strangers = distinct.filter(is_other)
        row = int(np.flatnonzero(may_count)[users.is_in(strangers.implode()).arg_max() or 0])
        raise MisplacedUser(
            f"the record at offset {batch.offsets[row]} of partition {batch.partitions[row]} is of"
            f" a user whose records belong to another shard than shard {self.shard}: in shards,"
            " each user's records have to lie in the partition that Kafka's own rule gives the key",
            "count what is there with processor.shards 1, which needs no key; if the topic only got"
            " more partitions, the shards can go on behind that",
        )

    def _check_partitions(self, partitions: Sequence[int]) -> None:
        if len(partitions) != self.division.partitions:
            raise DivisionChanged(
                f"the log has {len(partitions)} partitions, and the store is divided by"
                f" {self.division.partitions}",
                "it is divided anew",
            )


class ShardProcessor(Processor):
    """Counts one shard; see `Processor`. Who runs it takes the shard's lease before."""

    def __init__(
        self,
        part: Part,
        metrics: Sequence[Metric],
        rules: AdmissionRules,
        clock: Clock,
        limits: ProcessorLimits = ProcessorLimits(),
    ) -> None:
        super().__init__(part.log_of_shard, part.store, metrics, rules, clock, limits)
        self._part = part

    def _decode(self, pieces: Pieces) -> DecodedBatch:
        decoded = super()._decode(pieces)
        self._part.check_users(decoded)
        return decoded

    def _folded(self, decoded: DecodedBatch, log_id: str) -> tuple[Epoch, EpochReport]:
        epoch, report = super()._folded(decoded, log_id)
        rows = tuple(each for each in epoch.rows if each.table.name != NOTICES.name)
        notices = [each for each in epoch.rows if each.table.name == NOTICES.name]

        def at_number(number: int) -> list[RowChanges]:
            return [renumbered(each, number) for each in notices]

        shard = self._part.shard
        epoch = replace(epoch, shard=shard, rows=rows, at_number=at_number)
        return epoch, replace(report, shard=shard)
