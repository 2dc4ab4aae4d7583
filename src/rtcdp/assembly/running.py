"""What runs in an installation's processes besides the HTTP server, and how it is stopped."""

import signal
import threading
from dataclasses import replace

from rtcdp.assembly.parts import processor_of
from rtcdp.clock import Clock
from rtcdp.engines.native.processor import Processor
from rtcdp.generator.live import Generator, Schedule
from rtcdp.generator.sender import CollectorAddress, HttpSink, SenderLimits
from rtcdp.generator.stream import EventStream
from rtcdp.settings import Settings

DRAIN_S = 3.0
"""How long a processor that was told to stop goes on with what is in the log already."""

START_PATIENCE_S = 60.0
"""How long the generator waits for a collector that is starting as well."""

_STOPPING = ("SIGTERM", "SIGINT", "SIGHUP")


def stop_at_signals(stop: threading.Event) -> None:
    """Let SIGTERM, SIGINT and SIGHUP set `stop`; a second SIGINT interrupts as usual.

    A signal that is ignored already (by `nohup`, say) stays so. Call it in the main thread.
    """

    def on_signal(number: int, _: object) -> None:
        stop.set()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    for name in _STOPPING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)


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


def run_generator(
    settings: Settings,
    clock: Clock,
    stop: threading.Event,
    url: str | None = None,
    patience_s: float = START_PATIENCE_S,
) -> None:
    """Send events to the collector at `url`, by default the installation's own, until `stop` is
    set; wait `patience_s` for its first answer.

    Raises `CollectorUnreachable` and `CollectorRefused`.
    """
    now_ms = clock.now_ms()
    stream = EventStream(seed=now_ms, run_ms=now_ms, users=settings.users)
    limits = replace(SenderLimits(), first_patience_s=patience_s)
    sink = HttpSink(CollectorAddress(base_url=url or settings.base_url), clock, stop.wait, limits)
    try:
        Generator(stream, sink, Schedule(rate_per_s=settings.rate), clock).run(stop.wait)
    finally:
        sink.close()


def _drain(processor: Processor, clock: Clock) -> None:
    deadline = clock.monotonic() + DRAIN_S
    while clock.monotonic() < deadline and processor.step():
        pass
