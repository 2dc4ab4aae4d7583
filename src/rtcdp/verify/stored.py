"""What an installation says: everything that an outsider can read of a store, as plain data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from rtcdp.answers.windows import MAX_PAGE, WindowQuery, windows
from rtcdp.definitions import Metric
from rtcdp.events.event import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS
from rtcdp.store import EpochSpan, RulesInForce, StoreSnapshot, UncountedScan
from rtcdp.verify.judge import Key, Place, Rules, Verdict

Rows = Mapping[Key, Mapping[str, Any]]
"""Values by name, of each window start (UTC ms) and key."""

_PAGE = 10_000


@dataclass(frozen=True)
class Kept:
    """For how long the store keeps windows, and the ledger (ms); and the time now (UTC ms)."""

    windows_ms: int
    ledger_ms: int
    now_ms: int


@dataclass(frozen=True)
class Stored:
    """One state of a store. `newest` is the largest intake time of a partition, `rules` those in
    force, the oldest first, `verdicts` those of the records that were not counted, `answers` the
    API's, by metric, `views` what SQL readers see, where the store has that."""

    next_offsets: Mapping[int, int]
    decided_from: Mapping[int, int]
    newest: Mapping[int, int]
    rules: Sequence[Rules]
    verdicts: Mapping[Place, Verdict]
    ledger: Mapping[tuple[str, int], Mapping[str, int]]
    spans: Sequence[EpochSpan]
    answers: Mapping[str, Rows]
    views: Mapping[str, Rows] = field(default_factory=dict)


def recorded_verdict(stored: Stored, judged: Mapping[Place, Verdict], place: Place) -> Verdict:
    """What is on record of a decided record: admitted, where there is no row. Where the rows have
    expired, what was judged stands for it."""
    partition, offset = place
    if offset < stored.decided_from.get(partition, 0):
        return judged[place]
    return stored.verdicts.get(place, Verdict("admitted"))


def read_stored(snapshot: StoreSnapshot, metrics: Sequence[Metric]) -> Stored:
    """Everything that one snapshot of a store says of these metrics and of the records."""
    return Stored(
        next_offsets=dict(snapshot.progress.next_offsets),
        decided_from=dict(snapshot.progress.decided_from),
        newest=dict(snapshot.progress.max_received_at),
        rules=[_rules(entry) for entry in snapshot.admission_rules()],
        verdicts=_verdicts(snapshot),
        ledger=_ledger(snapshot),
        spans=snapshot.spans(MIN_TIMESTAMP_MS, MAX_TIMESTAMP_MS + 1),
        answers={metric.name: _answers(snapshot, metric) for metric in metrics},
    )


def view_rows(metric: Metric, frame: pl.DataFrame) -> Rows:
    """The rows of the view that SQL readers see."""
    key = ("window_start", *metric.key_names)
    measures = [measure.name for measure in metric.measures]
    lists = {measure.name for measure in metric.measures if measure.value_type == "list"}
    return {
        tuple(row[name] for name in key): {
            name: json.loads(row[name]) if name in lists else row[name]
            for name in ("window_end", *measures)
            if name in row
        }
        for row in frame.iter_rows(named=True)
    }


def _rules(entry: RulesInForce) -> Rules:
    limits = entry.rules
    return Rules(
        limits.max_clock_skew_ms,
        limits.allowed_lateness_ms,
        limits.dedup_window_ms,
        dict(entry.from_offsets),
    )


def _verdicts(snapshot: StoreSnapshot) -> dict[Place, Verdict]:
    found: dict[Place, Verdict] = {}
    scan = UncountedScan(limit=_PAGE)
    while True:
        page = snapshot.uncounted(scan)
        columns = page.select("partition", "offset", "verdict", "reason").rows()
        found |= {(partition, at): Verdict(*verdict) for partition, at, *verdict in columns}
        if page.height < _PAGE:
            return found
        last = page.select("received_at", "partition", "offset").row(-1)
        scan = UncountedScan(limit=_PAGE, after=last)


def _ledger(snapshot: StoreSnapshot) -> dict[tuple[str, int], Mapping[str, int]]:
    found: dict[tuple[str, int], Mapping[str, int]] = {}
    after: tuple[int, str] | None = None
    while True:
        page = snapshot.ledger(after=after, limit=_PAGE)
        for row in page.iter_rows(named=True):
            counts = {name: count for name, count in row.items() if count and name != "minute"}
            found[counts.pop("source"), row["minute"]] = counts
        if page.height < _PAGE:
            return found
        after = page.select("minute", "source").row(-1)


def _answers(snapshot: StoreSnapshot, metric: Metric) -> Rows:
    """All windows of a metric as the API tells them, page after page."""
    found: dict[Key, Mapping[str, Any]] = {}
    query = WindowQuery(limit=MAX_PAGE)
    while True:
        page = windows(snapshot, metric, query)
        for item in page.items:
            values = dict(item)
            start, values["window_end"] = (
                milliseconds(str(values.pop(name))) for name in ("window_start", "window_end")
            )
            found[start, *(values.pop(name) for name in metric.key_names)] = values
        if page.after is None:
            return found
        query = WindowQuery(limit=MAX_PAGE, after=page.after)


def milliseconds(text: str) -> int:
    """An instant of an answer as UTC ms."""
    moment = datetime.fromisoformat(text) - datetime.fromisoformat("1970-01-01T00:00:00Z")
    return (moment.days * 86_400 + moment.seconds) * 1000 + moment.microseconds // 1000
