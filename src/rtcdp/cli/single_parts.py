"""Commands that run one part in the foreground: collect, process, serve, generate."""

import threading
from typing import Annotated

import typer

from rtcdp.assembly.http_server import Roles, run_http_server
from rtcdp.assembly.parts import processor_of
from rtcdp.assembly.ports import claim_port
from rtcdp.assembly.running import run_generator, run_processor, stop_at_signals
from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import number, say
from rtcdp.clock import SystemClock
from rtcdp.settings import Settings, require_loopback

_PATIENCE_S = 5.0
_STOPS = "(Ctrl-C stops it)"


@with_settings("host", "port")
def collect(settings: Settings) -> None:
    """Take events in over HTTP, and keep them in the log."""
    _serve(settings, Roles(answers=False), "takes events at {}/v1/events")


@with_settings("host", "port", "catalog")
def serve(settings: Settings) -> None:
    """Give answers over HTTP: the API and the dashboard."""
    _serve(settings, Roles(collects=False), "answers at {}")


@with_settings("engine", "catalog")
def process(
    settings: Settings,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when it has caught up.")] = False,
) -> None:
    """Fold the log into answers."""
    stop, clock = _stopping(), SystemClock()
    if not once:
        say(f"[bold]rtcdp[/bold] counts {settings.log_url} into {settings.store_url} {_STOPS}")
        run_processor(settings, clock, stop)
        return
    sizes: list[int] = []
    with processor_of(settings, clock) as processor:
        processor.on_epoch = lambda report: sizes.append(report.record_count)
        processor.run(stop, once=True)
        epoch = processor.progress.epoch
    say(f"caught up at epoch {epoch}: {number(sum(sizes))} records processed")


@with_settings("host", "port", "rate", "users")
def generate(
    settings: Settings,
    *,
    to: Annotated[
        str | None, typer.Option("--to", help="The collector. Without it: HOST and PORT.")
    ] = None,
) -> None:
    """Make up a shop's visitors, and send their events to a collector."""
    url = to or settings.base_url
    say(f"[bold]rtcdp[/bold] sends {settings.rate:g} events per second to {url} {_STOPS}")
    run_generator(settings, SystemClock(), _stopping(), url, _PATIENCE_S)


def _serve(settings: Settings, roles: Roles, what: str) -> None:
    require_loopback(settings.host)
    ready = settings.on_port(claim_port(settings.host, settings.port))
    stop = _stopping()
    say(f"[bold]rtcdp[/bold] {what.format(ready.base_url)} {_STOPS}")
    run_http_server(ready, SystemClock(), stop, roles)


def _stopping() -> threading.Event:
    stop = threading.Event()
    stop_at_signals(stop)
    return stop
