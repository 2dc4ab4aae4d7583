"""Backfill: compute a new metric over the events that the log still holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rtcdp.engines.admission import admit, screen_together
from rtcdp.engines.fields import fields_of
from rtcdp.engines.native.lowering import changes_of
from rtcdp.engines.native.recovery import SliceHandler, rounds_between, seen_ids_until
from rtcdp.events.rules import AdmissionRules
from rtcdp.events.seen_ids import SeenIds
from rtcdp.log.log import LogReader
from rtcdp.store.store import Store
from rtcdp.vocabulary.metric import Metric


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
    rules: AdmissionRules,
    max_batch_bytes: int,
    listeners: Listeners = Listeners(),
) -> None:
    """Bring every metric that needs it up to the store's progress; resumes where it was killed.

    Where the log no longer holds what should be counted, the store remembers from which time on the
    windows of a metric are whole.
    """
    counted = store.progress().next_offsets
    for partition in set(log.partitions()) - set(counted):
        _limit(log, store, metrics, rules, partition, 0)
    for metric in metrics:
        if store.backfill_offsets(metric.name) is not None:
            _backfill_metric(log, store, metric, rules, max_batch_bytes, listeners)


def _backfill_metric(
    log: LogReader,
    store: Store,
    metric: Metric,
    rules: AdmissionRules,
    max_batch_bytes: int,
    listeners: Listeners,
) -> None:
    ends = store.progress().next_offsets
    done = dict(store.backfill_offsets(metric.name) or {})
    fields = fields_of([metric])
    for partition in ends:
        wanted = done.get(partition, 0)
        first = _limit(log, store, [metric], rules, partition, wanted)
        done[partition] = max(first, wanted)
        if first > wanted:
            listeners.on_trouble(
                f"metric {metric.name} is filled from offset {first} of partition {partition} on:"
                " the log no longer holds what came before"
            )
    starts = {partition: min(done[partition], end) for partition, end in ends.items()}
    seen = SeenIds(rules.dedup_window_ms)
    seen_ids_until(log, starts, seen, rules, listeners.on_slice)
    for pieces in rounds_between(log, starts, ends, max_batch_bytes):
        batch = admit(screen_together(pieces, fields, rules), seen)
        done |= {piece.partition: piece.next_offset for piece in pieces}
        store.commit_backfill(metric.name, changes_of([metric], batch.events), done, complete=False)
        listeners.on_slice()
    store.commit_backfill(metric.name, (), done, complete=True)


def _limit(
    log: LogReader,
    store: Store,
    metrics: Sequence[Metric],
    rules: AdmissionRules,
    partition: int,
    wanted: int,
) -> int:
    """Let the store know when records from `wanted` on are gone. Returns the first that is there.

    What is gone was received before the first record that is left, and its event's time is at most
    `max_clock_skew_ms` after that.
    """
    extent = log.extent(partition)
    if extent.first_offset > wanted:
        first = next(log.read(partition, extent.first_offset, 1).each(), None)
        received_at = extent.newest_received_at if first is None else first.received_at
        for metric in metrics:
            store.limit_completeness(metric.name, received_at + rules.max_clock_skew_ms + 1)
    return extent.first_offset
