"""The command `up`: everything in one place, watched over."""

import threading
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

from rtcdp.assembly.handover import GENERATOR, HTTP, PROCESSOR, command_of, encode_settings
from rtcdp.assembly.parts import metrics_of, require_native, running_lock
from rtcdp.assembly.ports import claim_port, is_listening
from rtcdp.assembly.running import stop_at_signals
from rtcdp.assembly.watching import Sample, Watcher, watcher_of
from rtcdp.cli.options import with_settings
from rtcdp.cli.status import RateMeter, Rates, status_line, status_page
from rtcdp.cli.terminal import balance, out, say
from rtcdp.clock import Clock, SystemClock
from rtcdp.errors import RtcdpError
from rtcdp.settings import Settings, require_loopback
from rtcdp.supervisor import PartCommand, Supervisor

_CHECK_S = 0.1
_SAMPLE_S = 1.0
_LINE_S = 10.0


@with_settings("host", "port", "rate", "users", "engine", "catalog")
def up(
    settings: Settings,
    *,
    no_generate: Annotated[
        bool, typer.Option("--no-generate", help="Make up no visitors; wait for real events.")
    ] = False,
) -> None:
    """Run everything: collector, processor, API, dashboard and a generator of events."""
    require_loopback(settings.host)
    require_native(settings)
    clock, stop = SystemClock(), threading.Event()
    with ExitStack() as stack:
        lock = stack.enter_context(running_lock(settings))
        ready = settings.on_port(claim_port(settings.host, settings.port))
        lock.announce(ready.base_url)
        metrics_of(ready)
        watcher = stack.enter_context(watcher_of(ready, clock))
        supervisor = Supervisor(_parts(ready, not no_generate), clock, _show_line)
        stop_at_signals(stop)
        say(f"[bold]rtcdp[/bold] starts, with its data in {ready.data_dir}")
        try:
            supervisor.start()
            _watch(_View(ready, watcher, supervisor, clock), stop)
            out.print("stopping", style="dim")
        finally:
            supervisor.stop()
        say(Text.assemble("stopped; ", balance(_look(watcher, clock).totals)))


def _parts(settings: Settings, with_generator: bool) -> list[PartCommand]:
    """In the order in which they are stopped."""
    names = [GENERATOR, HTTP, PROCESSOR] if with_generator else [HTTP, PROCESSOR]
    return [PartCommand(name, command_of(name), encode_settings(settings)) for name in names]


def _show_line(part: str, line: str) -> None:
    out.print(Text.assemble((f"{part}: ", "yellow"), line), soft_wrap=True)


def _look(watcher: Watcher, clock: Clock) -> Sample:
    """A sample; an empty one while log or store can't be read, which their parts complain about."""
    try:
        return watcher.sample()
    except RtcdpError:
        return Sample(clock.monotonic())


class _View:
    """What is known of the installation at one time, and how it is shown."""

    def __init__(
        self, settings: Settings, watcher: Watcher, supervisor: Supervisor, clock: Clock
    ) -> None:
        self._settings = settings
        self._watcher = watcher
        self._supervisor = supervisor
        self._clock = clock
        self._meter = RateMeter()
        self._began_s = clock.monotonic()
        self._answers = False
        self._sampled_s = self._lined_s = float("-inf")
        self._sample, self._rates = Sample(self._began_s), Rates()

    def refresh(self, live: Live | None) -> None:
        """Look after the parts, and show what is new. Raises `PartGaveUp`."""
        self._supervisor.check()
        now = self._clock.monotonic()
        settings = self._settings
        if not self._answers and is_listening(settings.host, settings.port):
            self._answers = True
            say(f"{settings.base_url} answers after {now - self._began_s:.1f} s")
        if now - self._sampled_s < _SAMPLE_S:
            return
        self._sampled_s = now
        self._sample = _look(self._watcher, self._clock)
        self._rates = self._meter.take(self._sample)
        parts = self._supervisor.status()
        if live is not None:
            live.update(status_page(self._sample, self._rates, parts, settings.base_url))
        elif self._answers and now - self._lined_s >= _LINE_S:
            self._lined_s = now
            out.print(
                status_line(self._sample, self._rates, parts, now - self._began_s), soft_wrap=True
            )


def _watch(view: _View, stop: threading.Event) -> None:
    with ExitStack() as stack:
        live = None
        if out.is_terminal:
            live = stack.enter_context(Live(console=out, refresh_per_second=4, transient=True))
        while not stop.wait(_CHECK_S):
            view.refresh(live)
