"""The telemetry of a processor: of its epochs, its store and its process, shown at a port."""

from contextlib import ExitStack
from functools import partial
from typing import Any

from rtcdp.clock import Clock
from rtcdp.engines.instruments import EngineInstruments
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.processing import InParts, Processing
from rtcdp.runtime.settings import Settings, require_tracing
from rtcdp.runtime.telemetry.exposure import exposed
from rtcdp.runtime.telemetry.process import process_registry
from rtcdp.store.measured import StoreTimes, measured_store

TRACING = "rtcdp.runtime.telemetry.tracing:Tracing"
COUNTING = "rtcdp.runtime.telemetry.tracing:CountingTraces"


class ProcessorTelemetry(ExitStack):
    """What watches the processors of a process, one after another, and shows it at
    `telemetry.port` from the first one on, until it is closed. Traces go where they are wanted."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__()
        self._settings = settings
        self._clock = clock
        self._is_begun = False
        self._traces: Any = None
        self.registry = process_registry(settings, "processor")
        self._engine = EngineInstruments(self.registry)
        self._times = StoreTimes(self.registry, clock.monotonic)

    def watch(self, processor: Processing) -> None:
        """Look at this one from now on. Raises `UsageError` where others could read it without a
        key, and `PartMissing` when the port is taken."""
        if isinstance(processor, InParts):
            # Each shard has a store of its own, later.
            processor.measured = partial(measured_store, times=self._times)
        processor.store = measured_store(processor.store, self._times)
        processor.listeners = self._engine.heard_by(processor.listeners)
        if not self._is_begun:
            self._begin()
            self._is_begun = True
        if self._traces is not None:
            self._traces.watch(processor)

    def _begin(self) -> None:
        settings, clock = self._settings, self._clock
        if settings.telemetry.port:
            self.enter_context(exposed(settings, clock, self.registry))
        if settings.telemetry.traces_to:
            require_tracing()
            tracing = self.enter_context(deferred(TRACING)(settings, "processor", clock))
            traces: Any = deferred(COUNTING)(tracing, settings, clock)
            self._traces = self.enter_context(traces)
