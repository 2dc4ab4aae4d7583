"""The commands `up`: everything in one place, watched over; and `collect` and `serve`: one half of
the HTTP server each, in the foreground."""

import threading
from typing import Annotated

import typer

from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import balance, end_of, entry_of, named, out, say, shower, tell_here
from rtcdp.clock import Clock, SystemClock
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.processes.locks import running_holder, running_lock
from rtcdp.runtime.processes.part import GENERATOR, HTTP, PROCESSOR, command_of, encode_settings
from rtcdp.runtime.processes.ports import claim_port, is_listening
from rtcdp.runtime.processes.signals import stop_at_signals
from rtcdp.runtime.processes.supervisor import PartCommand, Supervisor
from rtcdp.runtime.settings import Settings, require_loopback, require_present

WATCH = "rtcdp.cli.watch:watch"
LEDGER_TOTALS = "rtcdp.cli.watch:ledger_totals"

FOLDS_OF = "rtcdp.runtime.parts:folds_of"
REQUIRE_REACHABLE = "rtcdp.runtime.parts:require_reachable"
ROLES = "rtcdp.runtime.http.server:Roles"
RUN_HTTP_SERVER = "rtcdp.runtime.http.server:run_http_server"

_CHECK_S = 0.02
_FIRST_LOOK_S = 1.5
"""So long after the first answer, what shows how it goes waits for those who need all of the
machine while they start: to import it alone takes half a second of a processor."""


@with_settings(
    *("host", "port", "trust_network", "rate", "users", "engine", "catalog", "folds", "log_format"),
)
def up(
    settings: Settings,
    *,
    no_generate: Annotated[
        bool, typer.Option("--no-generate", help="Make up no visitors; wait for real events.")
    ] = False,
) -> None:
    """Run everything: collector, processor, API, dashboard and a generator of events."""
    require_loopback(settings)
    require_present(settings)
    clock, stop = SystemClock(), threading.Event()
    # What is wrong is told before anything starts, or a data folder is made.
    if running_holder(settings) is None:
        claim_port(settings.host, settings.port)
    if settings.catalog is not None or settings.folds != Settings.folds:
        deferred(FOLDS_OF)(settings)
    with running_lock(settings) as lock:
        ready = settings.on_port(claim_port(settings.host, settings.port))
        lock.announce(ready.base_url)
        if ready.log_path is None or ready.store_path is None:
            deferred(REQUIRE_REACHABLE)(ready)
        show = shower(ready, out)
        supervisor = Supervisor(
            _parts(ready, not no_generate),
            clock,
            lambda part, line: show(entry_of(line, part, clock)),
        )
        heard = stop_at_signals(stop)
        say(named(f"starts, with its data in {ready.data_dir}"))
        try:
            # The one that takes longest until it has caught up comes first.
            supervisor.start(PROCESSOR, HTTP)
            _wait_for_answers(ready, supervisor, clock, stop)
            # Later than the others, which need all of the machine while they start.
            if not no_generate and not stop.is_set():
                supervisor.start(GENERATOR)
            _look_after(supervisor, clock, stop, _FIRST_LOOK_S)
            deferred(WATCH)(ready, supervisor, clock, stop)
            out.print("stopping", style="dim")
        finally:
            supervisor.stop()
        say("stopped", balance(deferred(LEDGER_TOTALS)(ready, clock)))
    end_of(heard)


def _parts(settings: Settings, with_generator: bool) -> list[PartCommand]:
    """In the order in which they are stopped."""
    names = [GENERATOR, HTTP, PROCESSOR] if with_generator else [HTTP, PROCESSOR]
    handed = encode_settings(settings)
    # Intake doesn't end with what keeps the processor from counting, or the generator from sending.
    return [PartCommand(name, command_of(name), handed, is_vital=name == HTTP) for name in names]


def _wait_for_answers(
    settings: Settings, supervisor: Supervisor, clock: Clock, stop: threading.Event
) -> None:
    """Return when the server listens or `stop` is set. Raises `PartGaveUp`."""
    began_s = clock.monotonic()
    while not stop.wait(_CHECK_S):
        supervisor.check()
        if is_listening(settings.host, settings.port):
            say(f"{settings.base_url} answers after {clock.monotonic() - began_s:.1f} s")
            return


def _look_after(
    supervisor: Supervisor, clock: Clock, stop: threading.Event, seconds: float
) -> None:
    """Look after the parts for a time, or until `stop` is set. Raises `PartGaveUp`."""
    until_s = clock.monotonic() + seconds
    while clock.monotonic() < until_s and not stop.wait(_CHECK_S):
        supervisor.check()


@with_settings("host", "port", "trust_network", "log_format")
def collect(settings: Settings) -> None:
    """Take events in over HTTP, and keep them in the log."""
    _run(settings, "collector", {"answers": False}, "takes events at {}/v1/events")


@with_settings("host", "port", "trust_network", "catalog", "folds", "log_format")
def serve(settings: Settings) -> None:
    """Give answers over HTTP: the API and the dashboard."""
    _run(settings, "api", {"collects": False}, "answers at {}")


def _run(settings: Settings, part: str, roles: dict[str, bool], what: str) -> None:
    require_loopback(settings)
    ready = settings.on_port(claim_port(settings.host, settings.port))
    clock, stop = SystemClock(), threading.Event()
    tell_here(ready, part, clock)
    heard = stop_at_signals(stop)
    say(named(f"{what.format(ready.base_url)} (Ctrl-C stops it)"))
    deferred(RUN_HTTP_SERVER)(ready, clock, stop, deferred(ROLES)(**roles))
    end_of(heard)
