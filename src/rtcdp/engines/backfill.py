"""Backfill: compute a new metric over the events that the log still holds, on whichever engine.

A timeline is filled likewise; see `rtcdp.engines.fold_backfill`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rtcdp.admission.rules import AdmissionRules
from rtcdp.definitions import Metric, RowTable
from rtcdp.engines.commit import NOBODY, Listeners
from rtcdp.engines.decided import readable_from
from rtcdp.log.aged import aged_of
from rtcdp.log.contract import LogReader
from rtcdp.store import RowChanges, Store, TableChange


@dataclass(frozen=True)
class Step:
    """What the next records of a metric change, up to which offsets of all partitions these reach;
    how many of them other metrics have counted and this one can't, and where and why, if any."""

    changes: Sequence[TableChange | RowChanges]
    next_offsets: Mapping[int, int]
    lost_count: int = 0
    lost: str = ""


Filled = Metric | RowTable
Steps = Callable[[Metric, Mapping[int, int], Mapping[int, int]], Iterator[Step]]
"""Goes through the records `[start, end)` of all partitions for a metric. What is recorded as not
counted is left out, and no rule is applied again."""


def fill_metrics(
    log: LogReader,
    store: Store,
    metrics: Sequence[Metric],
    steps: Steps,
    listeners: Listeners = NOBODY,
) -> None:
    """Bring every metric that needs it up to the store's progress; resumes where it was killed.

    Counts what the store has recorded as admitted, whoever decided it and by whichever rules. Where
    the log no longer holds what should be counted, the store remembers from which time on the
    windows of a metric are whole.
    """
    limit_to_log(log, store, metrics)
    for metric in metrics:
        if store.backfill_offsets(metric.name) is not None:
            fill(log, store, metric, partial(steps, metric), listeners)


def limit_to_log(log: LogReader, store: Store, filled: Sequence[Filled]) -> None:
    """Let the store know what the log has lost already of what is not counted yet."""
    ends = store.progress().next_offsets
    new = set(log.partitions()) - set(ends)
    for partition in new:
        _limit(log, store, filled, (partition, 0))
    # Another store's processor may have let go of what this one has not counted.
    counted_offset = aged_of(log).counted_offset
    if new or any(end < counted_offset for end in ends.values()):
        limit_to_kept(log, store, filled)


def limit_to_kept(log: LogReader, store: Store, filled: Sequence[Filled]) -> None:
    """Let the store know what is told no more, because its type of event is kept for no longer."""
    aged = aged_of(log)
    for each in filled:
        whole_from = aged.whole_from if isinstance(each, Metric) else aged.stories_from
        if whole_from is not None:
            store.limit_completeness(each.name, whole_from)


def fill(
    log: LogReader,
    store: Store,
    metric: Filled,
    steps: Callable[[Mapping[int, int], Mapping[int, int]], Iterator[Step]],
    listeners: Listeners,
) -> None:
    """Bring one metric or timeline up to the store's progress."""
    what = f"metric {metric.name}" if isinstance(metric, Metric) else metric.name
    limit_to_kept(log, store, [metric])
    progress = store.progress()
    ends = progress.next_offsets
    done = dict(store.backfill_offsets(metric.name) or {})
    for partition, end in ends.items():
        wanted = done.get(partition, 0)
        first = readable_from(log, progress, partition)
        if first > wanted:
            _limit(log, store, [metric], (partition, first))
        done[partition] = min(max(first, wanted), end)
        if done[partition] > wanted:
            listeners.on_trouble(
                f"{what} is filled from offset {done[partition]} of partition"
                f" {partition} on: the log no longer holds what came before"
            )
    for step in steps(dict(done), ends):
        if step.lost_count:
            listeners.on_trouble(
                f"{what} misses {step.lost_count:,} records that the other metrics have"
                f" counted, {step.lost}"
            )
        done |= step.next_offsets
        store.commit_backfill(metric.name, step.changes, done, complete=False)
        listeners.on_slice()
        listeners.on_filling(metric.name, sum(done.values()) / max(1, sum(ends.values())))
    store.commit_backfill(metric.name, (), done, complete=True)


def _limit(
    log: LogReader,
    store: Store,
    metrics: Sequence[Filled],
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
