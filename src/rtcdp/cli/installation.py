"""The command `status`: does an installation run, and how far are its answers?"""

from rich.table import Table
from rich.text import Text

from rtcdp.answers.instant import iso_ms
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, write_csv, write_json
from rtcdp.cli.terminal import balance, duration, say, shown
from rtcdp.clock import SystemClock
from rtcdp.runtime.locks import processor_holder, running_holder
from rtcdp.runtime.parts import require_log
from rtcdp.runtime.settings import Settings, without_password
from rtcdp.runtime.watching import Sample, watcher_of


@with_settings()
def status(settings: Settings, *, form: Form) -> None:
    """Show whether it runs, and how far its answers are."""
    require_log(settings)
    clock = SystemClock()
    with watcher_of(settings, clock) as watcher:
        sample = watcher.sample()
    facts = _facts(settings, sample)
    if form.json:
        write_json({**facts, "totals": sample.totals})
    elif form.csv:
        write_csv(tuple(facts), [facts])
    else:
        _show(facts, sample, clock.now_ms())


def _facts(settings: Settings, sample: Sample) -> dict[str, object]:
    up, processor = running_holder(settings), processor_holder(settings)
    return {
        "data_dir": str(settings.data_dir),
        "log": without_password(settings.log_url),
        "store": without_password(settings.store_url),
        "url": None if up is None else up.url or None,
        "process": None if up is None else up.pid,
        "processor": None if processor is None else processor.pid,
        "engine": sample.engine or None,
        "epoch": sample.epoch,
        "committed_at": iso_ms(sample.committed_at) if sample.committed_at else None,
        "logged": sample.logged,
        "waiting": sample.pending,
        "lag_ms": sample.lag_ms,
    }


def _show(facts: dict[str, object], sample: Sample, now_ms: int) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")

    def row(name: str, value: object, style: str = "") -> None:
        table.add_row(name, Text(shown(value).plain, style))

    if facts["process"] is None:
        row("rtcdp up", "does not run here", "yellow")
    else:
        row("rtcdp up", f"runs at {facts['url']} (process {facts['process']})", "green")
    if facts["processor"] is not None:
        row("processor", f"runs (process {facts['processor']})", "green")
    row("log", f"{facts['log']}: {sample.logged:,} records")
    row("store", facts["store"])
    if sample.epoch:
        ago = duration(max(0, now_ms - sample.committed_at))
        row("counted", f"up to epoch {sample.epoch:,} by the {sample.engine} engine, {ago} ago")
    else:
        row("counted", "nothing yet", "yellow")
    waiting = "none" if not sample.pending else f"{sample.pending:,}, for {duration(sample.lag_ms)}"
    row("waiting", waiting, "yellow" if sample.pending else "green")
    say(table)
    say(balance(sample.totals))
