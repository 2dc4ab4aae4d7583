"""The door of the second stream: takes product updates in, and makes their log with the first."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Lock

from rtcdp.clock import Clock
from rtcdp.events.product_update import decode_product_update
from rtcdp.intake.collector import Collector
from rtcdp.log.contract import Appended, Delivery, LogGone, LogUnavailable, LogWriter
from rtcdp.log.limits import LogOptions
from rtcdp.runtime.adapters import LOGS
from rtcdp.runtime.parts import with_product_log
from rtcdp.runtime.settings import Settings, require_present


@contextmanager
def product_collector(settings: Settings, clock: Clock, stop: Event) -> Iterator[Collector]:
    """What takes product updates in. Their log is made with the first of them."""
    writer = _OpenedLater(settings, clock)
    collector = Collector(
        writer,
        clock,
        settings.collector_limits,
        on_failure=lambda _: stop.set(),
        judge=decode_product_update,
    )
    try:
        yield collector
    finally:
        collector.close()
        writer.close()


class _OpenedLater:
    """A `LogWriter` that opens its log when something comes, and again when that was away."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = with_product_log(settings)
        self._clock = clock
        self._mutex = Lock()
        self._writer: LogWriter | None = None

    def append(self, deliveries: Sequence[Delivery]) -> Sequence[Appended]:
        """As promised by `LogWriter`."""
        with self._mutex:
            if self._writer is None:
                self._writer = self._opened()
            writer = self._writer
        try:
            return writer.append(deliveries)
        except LogGone:
            self.close()
            raise

    def close(self) -> None:
        """End the writer; the next append opens another one."""
        with self._mutex:
            writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(LogUnavailable):
                writer.close()

    def _opened(self) -> LogWriter:
        settings = self._settings
        require_present(settings)
        path = settings.log_path
        if path is not None and not path.parent.is_dir():
            # Nobody would find it beside a log that is not there.
            raise LogUnavailable(
                f"there is no log of events in {path.parent}, beside which product updates rest",
                "bring it back, or send an event first",
            )
        options = LogOptions(settings.kafka, keyed_by="productId")
        made: LogWriter = LOGS[settings.log_kind].opener("open_writer")(
            settings.log_url, self._clock, options
        )
        return made
