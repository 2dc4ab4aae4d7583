"""A synchronous driver for metrics and folds: feed events, move the clock, read the windows.

    driver = Driver([METRIC], directory)
    driver.feed({"userId": "ada", "eventType": "PAGE_VIEW", "timestamp": driver.now_ms})
    assert driver.windows("user_page_view_counts")[0]["page_view_count"] == 1

It runs the real native engine and the real SQLite store; only the log is in memory, and the time
stands still until it is told to move. `dump` and `content` are what a store holds, to be compared.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import polars as pl

from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import LEDGER_SCHEMA, UNCOUNTED_SCHEMA
from rtcdp.answers.windows import MAX_PAGE, WindowQuery, windows
from rtcdp.clock import ManualClock
from rtcdp.definitions import Fold, Metric, RowTable, tables_of
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.engines.native.processor import Processor
from rtcdp.engines.products import ProductUpdates
from rtcdp.errors import UsageError
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.folds.timeline import events_in, timelines_of
from rtcdp.log.contract import DEFAULT_SOURCE, Delivery, Intake
from rtcdp.store import Store, UncountedScan
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.memory_log import MemoryLog

LEDGER, UNCOUNTED = "ledger", "uncounted"

_EVERYTHING = 2**31
_WHERE_IT_LAY = frozenset({"partition", "offset"})
"""Another log has another place for the same record."""


def dump(
    store: Store,
    metrics: Sequence[Metric],
    row_tables: Sequence[RowTable] = (),
    folds: Sequence[Fold] = (),
) -> dict[str, pl.DataFrame]:
    """What `content` gives, the `row_tables` as they are, and under `LEDGER` and `UNCOUNTED` what
    became of the records; all sorted. Two stores have counted the same exactly if their dumps are
    equal."""
    tables = content(store, metrics, folds)
    tables |= {table.name: store.dump(table) for table in row_tables}
    with store.snapshot() as snapshot:
        ledger = snapshot.ledger(limit=_EVERYTHING)
        uncounted = snapshot.uncounted(UncountedScan(limit=_EVERYTHING))
    columns = [name for name in UNCOUNTED_SCHEMA if name not in _WHERE_IT_LAY]
    return {
        **tables,
        LEDGER: ledger.select(LEDGER_SCHEMA.names()).sort("source", "minute"),
        UNCOUNTED: uncounted.select(columns).sort(pl.all()),
    }


def content(
    store: Store, metrics: Sequence[Metric], folds: Sequence[Fold] = ()
) -> dict[str, pl.DataFrame]:
    """Every table of `metrics`, the rows of `folds`, and the events that their timelines tell, by
    the names of the tables; all sorted. In which chunks a timeline rests tells nothing."""
    tables = {
        table.name: store.dump(table)
        for metric in stored_metrics(metrics)
        for table in tables_of(metric)
    }
    tables |= {fold.name: store.dump(fold.table) for fold in folds}
    for telling in timelines_of(folds):
        chunks = store.dump(telling.table)
        tables[telling.table.name] = events_in(chunks, telling.table, telling.fields)
    return tables


def differing(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> list[str]:
    """The names under which two dumps are not equal."""
    names = sorted(one.keys() | other.keys())
    return [
        name
        for name in names
        if name not in one or name not in other or not one[name].equals(other[name])
    ]


START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00.000Z

_Named = TypeVar("_Named", Metric, Fold)


class Driver:
    """One small installation under the test's control.

    `directory` is where the store's file goes. `records_per_read` decides where batches are cut.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        directory: Path,
        rules: AdmissionRules = AdmissionRules(),
        records_per_read: Callable[[], int] = lambda: 1_000_000,
        folds: Sequence[Fold] = (),
    ) -> None:
        self._metrics = tuple(metrics)
        self._folds = tuple(folds)
        self._rules = rules
        self._clock = ManualClock(START_MS)
        self._path = directory / "store.db"
        self.log = MemoryLog(records_per_read)
        self.product_log = MemoryLog(records_per_read)
        self.store = SqliteStore(self._path)
        self._processor = self._started()

    @property
    def now_ms(self) -> int:
        return self._clock.now_ms()

    def advance(self, *, seconds: float) -> None:
        """Move the clock."""
        self._clock.advance(round(seconds * 1000))

    def feed(
        self,
        *events: Mapping[str, object] | bytes,
        source: str = DEFAULT_SOURCE,
        intake: Intake = "live",
    ) -> None:
        """Take events in now, as one delivery; bytes go in as they are."""
        raws = [e if isinstance(e, bytes) else msgspec.json.encode(e) for e in events]
        is_rejected = [b"\n" in raw or isinstance(decode(raw), Rejection) for raw in raws]
        lines = [raw for raw, rejected in zip(raws, is_rejected, strict=True) if not rejected]
        self.log.append(
            [
                Delivery(
                    lines=b"".join(line + b"\n" for line in lines),
                    line_count=len(lines),
                    received_at=self.now_ms,
                    source=source,
                    intake=intake,
                    rejects=tuple((i, raws[i]) for i, bad in enumerate(is_rejected) if bad),
                )
            ]
        )

    def update_products(self, *updates: Mapping[str, object]) -> None:
        """Take product updates in now, as one delivery."""
        lines = b"".join(msgspec.json.encode(update) + b"\n" for update in updates)
        self.product_log.append([Delivery(lines, len(updates), self.now_ms)])

    def process(self) -> None:
        """Let the engine catch up."""
        while self._processor.step():
            pass

    def restart(self) -> None:
        """Throw away everything that is in memory, as a crash between two epochs would."""
        self.store.close()
        self.store = SqliteStore(self._path)
        self._processor = self._started()

    def windows(self, metric: str, **key: str) -> list[dict[str, object]]:
        """The windows of a metric as the API gives them, newest first, after catching up."""
        self.process()
        query = WindowQuery(equals=key, limit=MAX_PAGE)
        with self.store.snapshot() as snapshot:
            return windows(snapshot, _named(self._metrics, "metric", metric), query).items

    def rows(self, fold: str) -> list[dict[str, object]]:
        """The rows of a fold as they rest, by key and order, after catching up."""
        self.process()
        return self.store.dump(_named(self._folds, "fold", fold).table).rows(named=True)

    def ledger(self) -> dict[str, int]:
        """The ledger's totals after catching up."""
        self.process()
        with self.store.snapshot() as snapshot:
            return snapshot.ledger_totals()

    def dump(self) -> dict[str, pl.DataFrame]:
        """Every table of every metric and fold, and what the timelines tell, sorted, after
        catching up."""
        self.process()
        return content(self.store, stored_metrics(self._metrics), self._folds)

    def close(self) -> None:
        self.store.close()

    def _started(self) -> Processor:
        metrics = stored_metrics(self._metrics)
        processor = Processor(self.log, self.store, metrics, self._rules, self._clock)
        processor.folds = self._folds
        processor.products = ProductUpdates(self.product_log, self.store)
        processor.recover()
        return processor


def _named(known: Sequence[_Named], kind: str, name: str) -> _Named:
    for each in known:
        if each.name == name:
            return each
    raise UsageError(f"the driver has no {kind} {name}", "give it to the driver first")
