"""The processor of an installation, and how it runs."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rtcdp.assembly.claims import processor_lock
from rtcdp.assembly.parts import log_reader, metrics_of, store_of
from rtcdp.clock import Clock
from rtcdp.engines.native.processor import Processor
from rtcdp.settings import Settings, require_present

DRAIN_S = 3.0
"""How long a processor that was told to stop goes on with what is in the log already."""

PART_PATIENCE_S = 15.0
"""How long a part waits for the processor of the run before, which may be on its way out."""


@contextmanager
def processor_of(
    settings: Settings, clock: Clock, lock_patience_s: float = 0.0
) -> Iterator[Processor]:
    """The processor of the installation, alone on its store.

    Raises `AlreadyRunning` when another one is still there after `lock_patience_s`.
    """
    require_present(settings)
    metrics = metrics_of(settings)
    with (
        processor_lock(settings, lock_patience_s),
        log_reader(settings) as log,
        store_of(settings) as store,
    ):
        processor = Processor(log, store, metrics, settings.admission, clock, settings.processor)
        processor.log_retention = settings.log_retention
        processor.store_retention = settings.store_retention
        processor.on_trouble = _say
        yield processor


def run_processor(
    settings: Settings, clock: Clock, stop: threading.Event, lock_patience_s: float = 0.0
) -> None:
    """Process until `stop` is set, then what is left in the log, for at most `DRAIN_S`.

    Raises `AlreadyRunning`, `EpochRefused` and `OffsetsMissing`, and whatever the store raises
    that trying again doesn't help against.
    """
    with processor_of(settings, clock, lock_patience_s) as processor:
        processor.run(stop)
        _drain(processor, clock)


def run_processor_part(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    """`run_processor` in a process that is watched over."""
    run_processor(settings, clock, stop, PART_PATIENCE_S)


def _say(trouble: str) -> None:
    sys.stderr.write(f"processor: {trouble}\n")
    sys.stderr.flush()


def _drain(processor: Processor, clock: Clock) -> None:
    deadline = clock.monotonic() + DRAIN_S
    while clock.monotonic() < deadline and processor.step():
        pass
