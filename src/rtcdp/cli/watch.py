"""What `rtcdp up` does while its parts run: look after them, and show how it goes."""

import threading
from contextlib import ExitStack

from rich.live import Live

from rtcdp.cli.status import RateMeter, status_line, status_page
from rtcdp.cli.telling import shower
from rtcdp.cli.terminal import out
from rtcdp.clock import Clock
from rtcdp.errors import RtcdpError
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.supervisor import Supervisor
from rtcdp.runtime.watching import Sample, Watcher, watcher_of
from rtcdp.telemetry import entry_now

_CHECK_S = 0.1
_SAMPLE_S = 1.0
_LINE_S = 10.0


def watch(settings: Settings, supervisor: Supervisor, clock: Clock, stop: threading.Event) -> None:
    """Look after the parts and show what is new, until `stop` is set. Raises `PartGaveUp`."""
    with ExitStack() as stack:
        watcher = stack.enter_context(watcher_of(settings, clock))
        live = None
        if out.is_terminal:
            live = stack.enter_context(Live(console=out, refresh_per_second=4, transient=True))
        view = _View(settings, watcher, supervisor, clock)
        while not stop.wait(_CHECK_S):
            view.refresh(live)


def ledger_totals(settings: Settings, clock: Clock) -> dict[str, int]:
    """What became of all records; nothing while log or store can't be read."""
    with watcher_of(settings, clock) as watcher:
        return _look(watcher, clock).totals


def _look(watcher: Watcher, clock: Clock) -> Sample:
    """A sample; one that says why there is none while log or store can't be read."""
    try:
        return watcher.sample()
    except RtcdpError as error:
        return Sample(clock.monotonic(), trouble=str(error))


class _View:
    """What is known of the installation at one time, and how it is shown."""

    def __init__(
        self, settings: Settings, watcher: Watcher, supervisor: Supervisor, clock: Clock
    ) -> None:
        self._url = settings.base_url
        self._show = shower(settings, out)
        self._watcher = watcher
        self._supervisor = supervisor
        self._clock = clock
        self._meter = RateMeter()
        self._began_s = clock.monotonic()
        self._sampled_s = self._lined_s = float("-inf")

    def refresh(self, live: Live | None) -> None:
        self._supervisor.check()
        now = self._clock.monotonic()
        if now - self._sampled_s < _SAMPLE_S:
            return
        self._sampled_s = now
        sample = _look(self._watcher, self._clock)
        rates = self._meter.take(sample)
        parts = self._supervisor.status()
        if live is not None:
            live.update(status_page(sample, rates, parts, self._url))
        elif now - self._lined_s >= _LINE_S:
            self._lined_s = now
            line = status_line(sample, rates, parts, now - self._began_s).plain
            self._show(entry_now(self._clock, "INFO", "up", line))
