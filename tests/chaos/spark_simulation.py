"""The simulation on a real topic whose engine is Spark and the native one in turn, with folds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event as Signal
from typing import Any

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.catalog import load_folds
from rtcdp.definitions import Metric
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.processor import SparkProcessor
from rtcdp.engines.spark.query import KafkaSource
from rtcdp.engines.spark.stories import StoreAccess
from rtcdp.store.sqlite import open_store
from rtcdp.testing.simulation import Engine
from tests.chaos.kafka_simulation import NOT_ON_SERVERS, KafkaSimulation

NOT_ON_SPARK = (*NOT_ON_SERVERS, "append_again")
"""What is repeated after days may have been forgotten by one engine and not yet by the other."""

STEP_OFFSETS = 40
"""A backfill of some hundred records takes several steps."""


class _OnSpark:
    """A `SparkProcessor` that is driven as other engines are."""

    def __init__(self, processor: SparkProcessor) -> None:
        self._processor = processor

    def recover(self) -> None:
        """Is part of every run."""

    def step(self) -> bool:
        self._processor.run(Signal(), once=True)
        return False

    def run(self, stop: Signal, *, once: bool = False) -> None:
        self._processor.run(stop, once=once)


class SparkSimulation(KafkaSimulation):
    """Every second start is one of Spark; batches of Spark's take each partition's share, in an
    order that is nobody's to foretell."""

    is_order_known = False

    def __init__(self, store_url: str, bootstrap: str, url: str, checkpoints: Path) -> None:
        self._bootstrap, self._checkpoints = bootstrap, checkpoints
        self._starts = 0
        self._access = StoreAccess(open_store, store_url)
        super().__init__(lambda: open_store(store_url), bootstrap, url)
        self.folds = load_folds()

    def engine(self, metrics: Sequence[Metric], rules: AdmissionRules, store: Any) -> Engine:
        self._starts += 1
        if self._starts % 2 == 0:
            return super().engine(metrics, rules, store)
        limits = SparkLimits(
            master="local[2]",
            checkpoint=str(self._checkpoints),
            max_offsets_per_trigger=max(5, min(self.records_per_read, 1_000)),
        )
        source = KafkaSource(self._reader, self._bootstrap, self._topic)
        processor = SparkProcessor(source, store, metrics, rules, self.clock, limits)
        processor.step_offsets = STEP_OFFSETS
        processor.folds, processor.store_access = self.folds, self._access
        processor.listeners = replace(processor.listeners, on_trouble=self.troubles.append)
        return _OnSpark(processor)
