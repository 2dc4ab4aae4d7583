"""The telemetry of a processor: of its epochs, its store and its process, shown at a port."""

from contextlib import ExitStack

from rtcdp.clock import Clock
from rtcdp.engines.instruments import EngineInstruments
from rtcdp.runtime.exposure import exposed
from rtcdp.runtime.process_telemetry import process_registry
from rtcdp.runtime.processing import Processing
from rtcdp.runtime.settings import Settings
from rtcdp.store.measured import StoreTimes, measured_store


class ProcessorTelemetry(ExitStack):
    """What watches the processors of a process, one after another, and shows it at
    `telemetry.port` from the first one on, until it is closed."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__()
        self._settings = settings
        self._clock = clock
        self._is_shown = False
        self.registry = process_registry(settings, "processor")
        self._engine = EngineInstruments(self.registry)
        self._times = StoreTimes(self.registry, clock.monotonic)

    def watch(self, processor: Processing) -> None:
        """Look at this one from now on. Raises `UsageError` where others could read it without a
        key, and `PartMissing` when the port is taken."""
        processor.store = measured_store(processor.store, self._times)
        processor.listeners = self._engine.heard_by(processor.listeners)
        if not self._is_shown:
            self.enter_context(exposed(self._settings, self._clock, self.registry))
            self._is_shown = True
