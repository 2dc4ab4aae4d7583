"""The command `process`: the engine by itself, in the foreground."""

import threading
from typing import Annotated

import typer

from rtcdp.assembly.processing import processor_of, run_processor
from rtcdp.assembly.signals import stop_at_signals
from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import number, say
from rtcdp.clock import SystemClock
from rtcdp.settings import Settings


@with_settings("engine", "catalog")
def process(
    settings: Settings,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when it has caught up.")] = False,
) -> None:
    """Fold the log into answers."""
    clock, stop = SystemClock(), threading.Event()
    stop_at_signals(stop)
    if not once:
        where = f"{settings.log_url} into {settings.store_url}"
        say(f"[bold]rtcdp[/bold] counts {where} (Ctrl-C stops it)")
        run_processor(settings, clock, stop)
        return
    sizes: list[int] = []
    with processor_of(settings, clock) as processor:
        processor.on_epoch = lambda report: sizes.append(report.record_count)
        processor.run(stop, once=True)
        epoch = processor.progress.epoch
    say(f"caught up at epoch {epoch}: {number(sum(sizes))} records processed")
