"""What somebody has to do for a store in shards as a whole, beside those who count the shards.

The caretaker divides the store, makes and fills what definitions ask for, puts the rules in force,
follows the second stream and deletes what is old. Any of the processors may be it, one at a time:
it has the store's own lease. While it makes the store ready, no shard is counted.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rtcdp.admission.event_id_index import CLOCK_SLACK_MS
from rtcdp.clock import Clock
from rtcdp.definitions import Fold, Metric, RowTable
from rtcdp.engines.commit import Listeners
from rtcdp.engines.folding import Folding
from rtcdp.engines.native.backfill import backfill
from rtcdp.engines.native.erasing import finish_erasures
from rtcdp.engines.notices import tables_beside
from rtcdp.engines.products import ProductUpdates
from rtcdp.engines.resume import check_continuation, rules_changed
from rtcdp.engines.upkeep import Keeping, Upkeep
from rtcdp.errors import UsageError
from rtcdp.log.contract import LogReader
from rtcdp.runtime.parts import log_reader, product_updates
from rtcdp.runtime.processes.leases import take_lease
from rtcdp.runtime.settings import Settings
from rtcdp.store.divided import Caretaker
from rtcdp.store.division import Division

LOOK_EVERY_S = 0.25


@dataclass(frozen=True)
class Counted:
    """What all processors of a store count: by these definitions, and these settings."""

    settings: Settings
    clock: Clock
    metrics: Sequence[Metric]
    folds: Sequence[Fold]

    @property
    def ttl_ms(self) -> int:
        """How long a right lasts that is not renewed."""
        return int(self.settings.processor.lease_ttl_s * 1000)

    def wanted(self, tables: Sequence[RowTable]) -> dict[str, str]:
        """The fingerprints of the metrics and of these tables, by name."""
        definitions: list[Metric | RowTable] = [*self.metrics, *tables]
        return {each.name: each.fingerprint for each in definitions}

    def division_of(self, log: LogReader) -> Division:
        """How the settings divide a log. Raises `UsageError` where it has too few partitions."""
        division = Division(self.settings.processor.shards, len(log.partitions()))
        if division.partitions < division.shards:
            raise UsageError(
                f"processor.shards is {division.shards}, and the topic has"
                f" {division.partitions} partitions: a shard is one partition at least",
                "set processor.shards to fewer, or give the topic more partitions while no"
                " processor works",
            )
        return division


class Caretaking:
    """The caretaker of a store, while it has that right. One thread."""

    def __init__(self, counted: Counted, store: Caretaker, listeners: Listeners) -> None:
        self._counted, self._store = counted, store
        self._listeners = replace(listeners, on_slice=self._keep_right)
        self._renewed_at = float("-inf")
        self._expired_at = counted.clock.monotonic()

    def work(self, stop: threading.Event, *, once: bool = False) -> None:
        """Take the right, make the store ready, and look after it until `stop` is set; with `once`
        until it is ready.

        Raises `AlreadyRunning` while another process does, and what log and store raise.
        """
        counted = self._counted
        take_lease(self._store, counted.clock, counted.ttl_ms)
        self._renewed_at = counted.clock.monotonic()
        with (
            log_reader(counted.settings, makes_topic=True) as log,
            product_updates(counted.settings, self._store) as products,
        ):
            division = self._make_ready(log, products.tables)
            upkeep = self._upkeep(log)
            while not (once or stop.wait(LOOK_EVERY_S)):
                self._keep_right()
                if counted.division_of(log) != division:
                    division = self._make_ready(log, products.tables)
                self._follow(products)
                upkeep.look(self._store.progress)
                self._expire_if_due(upkeep)
            self._follow(products)

    def _make_ready(self, log: LogReader, of_products: Sequence[RowTable]) -> Division:
        """Divide the store and bring all of it up to where the shards are, if that isn't so. Until
        it is done, no shard is counted."""
        counted, store = self._counted, self._store
        rules, division = counted.settings.admission, counted.division_of(log)
        folding = Folding(counted.folds, store)
        tables = (*folding.tables, *tables_beside(counted.folds), *of_products)
        wanted = counted.wanted(tables)
        shards = store.shards()
        if shards.is_open and shards.division == division and store.is_ready(wanted, rules):
            store.prepare(counted.metrics, tables)
            return division
        store.close_shards(division)
        store.prepare(counted.metrics, tables)
        progress = store.progress()
        check_continuation(log, progress)
        finish_erasures(log, store, self._keep_right)
        before = store.put_rules_in_force(rules)
        if before is not None:
            self._listeners.on_trouble(rules_changed(before, rules, progress.next_offsets))
        batch_bytes = counted.settings.processor.batch_bytes(has_folds=bool(counted.folds))
        backfill(log, store, counted.metrics, batch_bytes, self._listeners, folding)
        store.open_shards({p: log.extent(p).first_offset for p in log.partitions()})
        return division

    def _follow(self, products: ProductUpdates) -> None:
        """Take what there is of the second stream."""
        while products.step(self._listeners.on_trouble):
            self._keep_right()

    def _upkeep(self, log: LogReader) -> Upkeep:
        settings = self._counted.settings
        kept = settings.store_retention
        ids_ms = settings.admission.dedup_window_ms + CLOCK_SLACK_MS
        keeping = Keeping(settings.log_retention, kept.windows_ms, kept.uncounted_ms, ids_ms)
        return Upkeep(log, self._store, self._counted.clock, keeping, self._listeners.on_trouble)

    def _expire_if_due(self, upkeep: Upkeep) -> None:
        now = self._counted.clock.monotonic()
        if now - self._expired_at >= self._counted.settings.processor.expire_every_s:
            self._expired_at = now
            upkeep.expire(self._store.progress())

    def _keep_right(self) -> None:
        """Renew the lease when a third of its time is over."""
        counted = self._counted
        now = counted.clock.monotonic()
        if now - self._renewed_at >= counted.ttl_ms / 3000:
            self._store.renew_lease(counted.clock.now_ms(), counted.ttl_ms)
            self._renewed_at = now
