"""A shop's traffic in a log, and folds of it in a store."""

import threading
from dataclasses import replace

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_folds
from rtcdp.clock import ManualClock
from rtcdp.definitions import Count, Fold, Metric, event_type, tumbling
from rtcdp.engines.native.limits import ProcessorLimits
from rtcdp.engines.native.processor import Processor
from rtcdp.folds.funnels import Funnel, FunnelStep
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.driver import START_MS, differing, dump
from rtcdp.testing.memory_log import MemoryLog
from rtcdp.testing.traffic import Traffic

VIEWS = Metric("views", "t", tumbling(minutes=1), (Count("n"),), ("userId",))
TRAFFIC = Traffic(lines=240, users=12, span_ms=6 * 3_600_000, request_lines=40)
FOLDS = load_folds()
WAY = Fold(
    "way",
    "Way",
    Funnel(tuple(FunnelStep(t, event_type(t)) for t in ("SEARCH", "PRODUCT_VIEW"))),
)


class Installation:
    """A log with a shop's traffic, and a store in a file."""

    def __init__(self, directory, records_per_read=70):
        self.log = MemoryLog(lambda: records_per_read)
        self.log.append(list(TRAFFIC.deliveries()))
        self.path = directory / "store.db"
        self.said, self.filled = [], {}

    def open(self):
        return SqliteStore(self.path)

    def processor(self, store, folds=FOLDS, metrics=(VIEWS,)):
        limits = ProcessorLimits(epoch_every_s=0, retry_s=0)
        clock = ManualClock(START_MS)
        processor = Processor(self.log, store, metrics, AdmissionRules(), clock, limits)
        processor.folds = tuple(folds)
        processor.listeners = replace(
            processor.listeners,
            on_trouble=self.said.append,
            on_filling=self.filled.__setitem__,
        )
        return processor

    def run(self, folds=FOLDS):
        store = self.open()
        self.processor(store, folds).run(threading.Event(), once=True)
        found = dump(store, (VIEWS,), folds=folds)
        store.close()
        return found


def differing_from(expected, found):
    return differing({name: expected[name] for name in found}, found)
