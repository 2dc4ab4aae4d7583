"""What `rtcdp up` does while its parts run: look after them, and show how it goes: a page on a
terminal, a line now and then elsewhere."""

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rtcdp.cli.terminal import balance, duration, number, out, shower
from rtcdp.clock import Clock
from rtcdp.errors import RtcdpError
from rtcdp.plain_text import as_text
from rtcdp.runtime.processes.supervisor import PartStatus, Supervisor
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.watching import Sample, Watcher, watcher_of
from rtcdp.telemetry import entry_now
from rtcdp.words import NOTHING

_CHECK_S = 0.1
_SAMPLE_S = 1.0
_LINE_S, _LATER_LINE_S = 10.0, 60.0
_FIRST_S = 60.0
"""Lines come often only for the first minute: what follows is kept in somebody's journal."""


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
        elif now - self._lined_s >= line_every_s(now - self._began_s):
            self._lined_s = now
            line = status_line(sample, rates, parts, now - self._began_s).plain
            self._show(entry_now(self._clock, "INFO", "up", line))


def line_every_s(elapsed_s: float) -> float:
    """How long after a line the next one comes, at that time after the start."""
    return _LINE_S if elapsed_s < _FIRST_S else _LATER_LINE_S


_RATE_SAMPLES = 6


@dataclass(frozen=True)
class Rates:
    """Per second, over the last few samples."""

    received: float = 0.0
    admitted: float = 0.0


class RateMeter:
    """Rates from the newest samples; take one about once a second."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=_RATE_SAMPLES)

    def take(self, sample: Sample) -> Rates:
        """Rates including this sample; 0 for the first one, and for one that tells nothing."""
        if sample.trouble:
            self._samples.clear()
            return Rates()
        self._samples.append(sample)
        first, last = self._samples[0], self._samples[-1]
        elapsed_s = last.taken_at - first.taken_at
        if elapsed_s <= 0:
            return Rates()
        admitted = last.totals.get("admitted", 0) - first.totals.get("admitted", 0)
        return Rates((last.logged - first.logged) / elapsed_s, admitted / elapsed_s)


def status_line(
    sample: Sample, rates: Rates, parts: Sequence[PartStatus], elapsed_s: float
) -> Text:
    """One line for logs."""
    running = ", ".join(_part_text(part) for part in parts)
    if sample.trouble:
        return Text.assemble((sample.trouble, "red"), f"; {running}")
    return Text.assemble(
        f"{duration(elapsed_s * 1000)}: in {number(round(rates.received, 1))}/s, "
        f"counted {number(round(rates.admitted, 1))}/s, lag {duration(sample.lag_ms)}; ",
        balance(sample.totals),
        f"; {running}",
    )


def status_page(sample: Sample, rates: Rates, parts: Sequence[PartStatus], url: str) -> Panel:
    """The page for a terminal. What is not known is not told as nothing."""
    figures = Table.grid(padding=(0, 3))
    figures.add_row("events in", "counted", "lag", "waiting", "epoch", style="dim")
    told = (
        f"{number(round(rates.received, 1))}/s",
        f"{number(round(rates.admitted, 1))}/s",
        duration(sample.lag_ms),
        f"{sample.pending:,}",
        f"{sample.epoch:,}",
    )
    figures.add_row(*((NOTHING for _ in told) if sample.trouble else told), style="bold")
    sums = Text(as_text(sample.trouble), "red") if sample.trouble else balance(sample.totals)
    running = Table.grid(padding=(0, 3))
    running.add_row("part", "process", "up for", "restarts", style="dim")
    for part in parts:
        running.add_row(
            part.name,
            Text(str(part.pid), "green") if part.pid else Text("starting", "yellow"),
            duration(part.uptime_s * 1000),
            Text(str(part.restarts), "yellow" if part.restarts else ""),
        )
    where = Table.grid(padding=(0, 3))
    where.add_column(no_wrap=True)
    where.add_column(overflow="fold")
    where.add_row("dashboard", f"{url}/")
    where.add_row("answers", f"{url}/api/metrics")
    where.add_row("send events", f"POST {url}/v1/events")
    gap = Text()
    return Panel(
        Group(figures, gap, sums, gap, running, gap, where),
        title="[bold]rtcdp[/bold]",
        subtitle="Ctrl-C stops it",
        border_style="cyan",
        padding=(1, 2),
    )


def _part_text(part: PartStatus) -> str:
    state = f"process {part.pid}" if part.pid else "starting"
    restarts = f", {part.restarts} restarts" if part.restarts else ""
    return f"{part.name} ({state}{restarts})"
