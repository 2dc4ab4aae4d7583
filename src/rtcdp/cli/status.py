"""What `rtcdp up` shows while it runs: a page on a terminal, a line now and then elsewhere."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rtcdp.cli.terminal import balance, duration, number
from rtcdp.runtime.supervisor import PartStatus
from rtcdp.runtime.watching import Sample

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


def status_page(
    sample: Sample, rates: Rates, parts: Sequence[PartStatus], url: str, note: str = ""
) -> Panel:
    """The page for a terminal."""
    figures = Table.grid(padding=(0, 3))
    figures.add_row("events in", "counted", "lag", "waiting", "epoch", style="dim")
    figures.add_row(
        f"{number(round(rates.received, 1))}/s",
        f"{number(round(rates.admitted, 1))}/s",
        duration(sample.lag_ms),
        f"{sample.pending:,}",
        f"{sample.epoch:,}",
        style="bold",
    )
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
        Group(figures, gap, balance(sample.totals), gap, running, gap, where),
        title="[bold]rtcdp[/bold]",
        subtitle=Text(sample.trouble, "red") if sample.trouble else note or "Ctrl-C stops it",
        border_style="cyan",
        padding=(1, 2),
    )


def _part_text(part: PartStatus) -> str:
    state = f"process {part.pid}" if part.pid else "starting"
    restarts = f", {part.restarts} restarts" if part.restarts else ""
    return f"{part.name} ({state}{restarts})"
