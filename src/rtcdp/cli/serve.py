"""The commands `collect` and `serve`: one half of the HTTP server each, in the foreground."""

import threading

from rtcdp.cli.options import with_settings
from rtcdp.cli.telling import tell_here
from rtcdp.cli.terminal import end_of, named, say
from rtcdp.clock import SystemClock
from rtcdp.runtime.http_server import Roles, run_http_server
from rtcdp.runtime.ports import claim_port
from rtcdp.runtime.settings import Settings, require_loopback
from rtcdp.runtime.signals import stop_at_signals


@with_settings("host", "port", "trust_network", "log_format")
def collect(settings: Settings) -> None:
    """Take events in over HTTP, and keep them in the log."""
    _run(settings, "collector", Roles(answers=False), "takes events at {}/v1/events")


@with_settings("host", "port", "trust_network", "catalog", "log_format")
def serve(settings: Settings) -> None:
    """Give answers over HTTP: the API and the dashboard."""
    _run(settings, "api", Roles(collects=False), "answers at {}")


def _run(settings: Settings, part: str, roles: Roles, what: str) -> None:
    require_loopback(settings)
    ready = settings.on_port(claim_port(settings.host, settings.port))
    clock, stop = SystemClock(), threading.Event()
    tell_here(ready, part, clock)
    heard = stop_at_signals(stop)
    say(named(f"{what.format(ready.base_url)} (Ctrl-C stops it)"))
    run_http_server(ready, clock, stop, roles)
    end_of(heard)
