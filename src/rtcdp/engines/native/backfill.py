"""Backfill: compute a new metric over the events that the log still holds."""

from collections.abc import Sequence

from rtcdp.engines.native.admission import admit, screen
from rtcdp.engines.native.lowering import changes_of, fields_of
from rtcdp.engines.native.recovery import records_between, seen_ids_until
from rtcdp.events.rules import AdmissionRules
from rtcdp.events.seen_ids import SeenIds
from rtcdp.log.log import LogReader
from rtcdp.store.store import Store
from rtcdp.vocabulary.metric import Metric


def backfill(
    log: LogReader,
    store: Store,
    metrics: Sequence[Metric],
    rules: AdmissionRules,
    max_batch_bytes: int,
) -> None:
    """Bring every metric that needs it up to the store's progress; resumes where it was killed."""
    for metric in metrics:
        if store.backfill_offsets(metric.name) is not None:
            _backfill_metric(log, store, metric, rules, max_batch_bytes)


def _backfill_metric(
    log: LogReader, store: Store, metric: Metric, rules: AdmissionRules, max_batch_bytes: int
) -> None:
    ends = store.progress().next_offsets
    done = dict(store.backfill_offsets(metric.name) or {})
    fields = fields_of([metric])
    for partition, end in ends.items():
        first = log.extent(partition).first_offset
        start = max(first, done.get(partition, first))
        seen = seen_ids_until(log, {partition: start}, SeenIds(rules.dedup_window_ms), rules)
        for records in records_between(log, partition, start, end, max_batch_bytes):
            batch = admit(screen(records, fields, rules), seen)
            done[partition] = records.next_offset
            store.commit_backfill(
                metric.name, changes_of([metric], batch.events), done, complete=False
            )
    store.commit_backfill(metric.name, (), done, complete=True)
