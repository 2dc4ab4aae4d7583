"""Backfill of a new metric by the native engine."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from rtcdp.admission.batch import ADMITTED, DecodedBatch
from rtcdp.definitions import Metric, fields_of
from rtcdp.engines.backfill import Step, fill_metrics
from rtcdp.engines.commit import NOBODY, Listeners
from rtcdp.engines.decided import decided_batches
from rtcdp.engines.fold_backfill import InThisProcess, fill_folds
from rtcdp.engines.folding import Folding
from rtcdp.engines.native.lowering import changes_of
from rtcdp.engines.native.recovery import rounds_between
from rtcdp.log.contract import LogReader
from rtcdp.store import Store


def backfill(
    log: LogReader,
    store: Store,
    metrics: Sequence[Metric],
    max_batch_bytes: int,
    listeners: Listeners = NOBODY,
    folding: Folding | None = None,
) -> None:
    """Bring every metric and fold that needs it up to the store's progress, as `fill_metrics` and
    `fill_folds` do, about `max_batch_bytes` of the log at a time."""
    rounds = partial(rounds_between, round_bytes=max_batch_bytes)

    def steps(metric: Metric, starts: Mapping[int, int], ends: Mapping[int, int]) -> Iterator[Step]:
        for decided in decided_batches(log, store, starts, ends, fields_of([metric]), rounds):
            admitted = decided.events.filter(decided.verdicts == ADMITTED)
            reached = {piece.partition: piece.next_offset for piece in decided.pieces}
            lost = len(decided.rejected)
            yield Step(changes_of([metric], admitted), reached, lost, _first_lost(decided))

    fill_metrics(log, store, metrics, steps, listeners)
    if folding is not None:
        fill_folds(log, store, folding, InThisProcess(log, store, rounds), listeners)


def _first_lost(decided: DecodedBatch) -> str:
    if not decided.rejected:
        return ""
    record, rejection = decided.rejected[0]
    return (
        f"the first at offset {record.offset} of partition {record.partition}: {rejection.message}"
    )
