"""Commands that look at what is there: ledger, status, sources."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Annotated, Any

import typer
from msgspec.structs import asdict
from rich.table import Table
from rich.text import Text

from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.ledger import LedgerQuestion, ledger_page
from rtcdp.cli.options import HowMany, with_settings
from rtcdp.cli.output import Form, Result, write, write_csv, write_json
from rtcdp.cli.terminal import (
    ListingGroup,
    PlainCommand,
    balance,
    duration,
    listing,
    number,
    say,
    shown,
)
from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.log.limits import MAX_SOURCES
from rtcdp.runtime.parts import (
    embedded_log_writer,
    require_log,
    require_store,
    store_of,
)
from rtcdp.runtime.processes.locks import processor_holder, running_holder
from rtcdp.runtime.settings import Settings, without_password
from rtcdp.runtime.watching import Sample, watcher_of
from rtcdp.words import plural

_SELDOM = ("conflict", "erased")
_COUNTS = ("received", "admitted", "duplicate", "late", "dead_letter", "conflict", "erased")


@with_settings()
def ledger(
    settings: Settings,
    *,
    limit: HowMany = 20,
    form: Form,
) -> None:
    """Show what became of every record: the totals, and the newest minutes."""
    require_store(settings)
    with store_of(settings, read_only=True) as store:
        page = ledger_page(Installation(store, (), SystemClock()), LedgerQuestion(limit=limit))
    totals, rows = asdict(page.totals), [asdict(item) for item in page.items]
    write(
        Result(("minute", "source", *_COUNTS), rows, {"totals": totals}),
        form,
        lambda: _show_ledger(totals, rows),
    )


def _show_ledger(totals: Mapping[str, int], rows: Sequence[Mapping[str, Any]]) -> None:
    say(balance(totals))
    if totals["conflict"]:
        say(Text(f"{plural(totals['conflict'], 'duplicate')} came with another content", "yellow"))
    if not rows:
        return
    counts = [count for count in _COUNTS if count not in _SELDOM or totals[count]]
    table = listing("minute", "source", *(f">{count.replace('_', ' ')}" for count in counts))
    table.columns[0].no_wrap = True
    for row in rows:
        minute = str(row["minute"])[:16].replace("T", " ")
        table.add_row(minute, row["source"], *(f"{row[count]:,}" for count in counts))
    say(table)


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
        _show_status(facts, sample, clock.now_ms())


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


def _show_status(facts: dict[str, object], sample: Sample, now_ms: int) -> None:
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
    row("log", f"{facts['log']}: {plural(sample.logged, 'record')}")
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


sources = typer.Typer(
    name="sources",
    cls=ListingGroup,
    add_completion=False,
    help="Look at the sources that the log knows, and retire one.",
)


@sources.command("list", cls=PlainCommand)
@with_settings()
def list_sources(settings: Settings, *, form: Form) -> None:
    """Show the names that count against the limit of the log; also without "list"."""
    with closing(embedded_log_writer(settings, SystemClock())) as writer:
        names = writer.sources()
    rows = [{"source": name} for name in names]
    write(Result(("source",), rows), form, lambda: _show_sources(names))


def _show_sources(names: Sequence[str]) -> None:
    say(f"{number(len(names))} of {MAX_SOURCES} sources")
    for name in names:
        say(Text(f"  {name}"))


@sources.command("retire", cls=PlainCommand)
@with_settings()
def retire(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The source to forget.")],
) -> None:
    """Make room for another source. The records of this one stay, and are counted as ever."""
    with closing(embedded_log_writer(settings, SystemClock())) as writer:
        if not writer.retire_source(name):
            raise UsageError(
                f"the log knows no source {name!r}", "rtcdp sources list shows those that it knows"
            )
    say(Text(f"retired {name}; a running collector knows it until it starts again"))
