"""The commands `collect` and `serve`: one half of the HTTP server each, in the foreground."""

import threading

from rtcdp.assembly.http_server import Roles, run_http_server
from rtcdp.assembly.ports import claim_port
from rtcdp.assembly.signals import stop_at_signals
from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import say
from rtcdp.clock import SystemClock
from rtcdp.settings import Settings, require_loopback


@with_settings("host", "port", "trust_network")
def collect(settings: Settings) -> None:
    """Take events in over HTTP, and keep them in the log."""
    _run(settings, Roles(answers=False), "takes events at {}/v1/events")


@with_settings("host", "port", "trust_network", "catalog")
def serve(settings: Settings) -> None:
    """Give answers over HTTP: the API and the dashboard."""
    _run(settings, Roles(collects=False), "answers at {}")


def _run(settings: Settings, roles: Roles, what: str) -> None:
    require_loopback(settings)
    ready = settings.on_port(claim_port(settings.host, settings.port))
    stop = threading.Event()
    stop_at_signals(stop)
    say(f"[bold]rtcdp[/bold] {what.format(ready.base_url)} (Ctrl-C stops it)")
    run_http_server(ready, SystemClock(), stop, roles)
