"""Backfill: compute a new metric over the events that the log still holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rtcdp.admission.batch import ADMITTED, Screened
from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import Metric, fields_of
from rtcdp.engines.decided import decided_batches, readable_from
from rtcdp.engines.native.lowering import changes_of
from rtcdp.engines.native.recovery import SliceHandler, rounds_between
from rtcdp.log.contract import LogReader
from rtcdp.store import Store


@dataclass(frozen=True)
class Listeners:
    """Who follows a backfill. `on_slice` is called after each slice, `on_trouble` with a sentence
    where the log no longer holds what should be counted."""

    on_slice: SliceHandler = lambda: None
    on_trouble: Callable[[str], None] = lambda _: None


def backfill(
    log: LogReader,
    store: Store,
    metrics: Sequence[Metric],
    max_batch_bytes: int,
    listeners: Listeners = Listeners(),
) -> None:
    """Bring every metric that needs it up to the store's progress; resumes where it was killed.

    Counts what the store has recorded as admitted, whoever decided it and by whichever rules. Where
    the log no longer holds what should be counted, the store remembers from which time on the
    windows of a metric are whole.
    """
    progress = store.progress()
    for partition in set(log.partitions()) - set(progress.next_offsets):
        _limit(log, store, metrics, (partition, 0))
    for metric in metrics:
        if store.backfill_offsets(metric.name) is not None:
            _backfill_metric(log, store, metric, max_batch_bytes, listeners)


def _backfill_metric(
    log: LogReader, store: Store, metric: Metric, max_batch_bytes: int, listeners: Listeners
) -> None:
    progress = store.progress()
    ends = progress.next_offsets
    done = dict(store.backfill_offsets(metric.name) or {})
    fields = fields_of([metric])
    for partition, end in ends.items():
        wanted = done.get(partition, 0)
        first = readable_from(log, progress, partition)
        if first > wanted:
            _limit(log, store, [metric], (partition, first))
        done[partition] = min(max(first, wanted), end)
        if done[partition] > wanted:
            listeners.on_trouble(
                f"metric {metric.name} is filled from offset {done[partition]} of partition"
                f" {partition} on: the log no longer holds what came before"
            )
    rounds = partial(rounds_between, round_bytes=max_batch_bytes)
    for decided in decided_batches(log, store, dict(done), ends, fields, rounds):
        _say_lost(metric, decided, listeners)
        admitted = decided.events.filter(decided.verdicts == ADMITTED)
        done |= {piece.partition: piece.next_offset for piece in decided.pieces}
        store.commit_backfill(metric.name, changes_of([metric], admitted), done, complete=False)
        listeners.on_slice()
    store.commit_backfill(metric.name, (), done, complete=True)


def _say_lost(metric: Metric, decided: Screened, listeners: Listeners) -> None:
    if decided.rejected:
        record, rejection = decided.rejected[0]
        listeners.on_trouble(
            f"metric {metric.name} misses {len(decided.rejected):,} records that the other metrics"
            f" have counted, the first at offset {record.offset} of partition {record.partition}:"
            f" {rejection.message}"
        )


def _limit(
    log: LogReader,
    store: Store,
    metrics: Sequence[Metric],
    first: tuple[int, int],
) -> None:
    """Let the store know that the records of a partition before an offset are not counted in.

    They were received before the first record that is counted, and an event's time is at most
    `max_clock_skew_ms` after that, by the rules that were in force.
    """
    partition, offset = first
    extent = log.extent(partition)
    start = max(offset, extent.first_offset)
    if start == 0:
        return
    received_at = extent.newest_received_at
    if start < extent.next_offset:
        record = next(log.read(partition, start, 1).each(), None)
        received_at = received_at if record is None else record.received_at
    with store.snapshot() as snapshot:
        skews = [entry.rules.max_clock_skew_ms for entry in snapshot.admission_rules()]
    latest = received_at + max(skews, default=AdmissionRules.max_clock_skew_ms)
    for metric in metrics:
        store.limit_completeness(metric.name, latest + 1)
