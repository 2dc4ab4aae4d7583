"""Commands that look at what is there: metrics, ledger."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rtcdp.api.answers import WindowQuery, windows
from rtcdp.assembly.parts import metrics_of, store_of
from rtcdp.catalog.reference import section
from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import balance, duration, listing, moment, say
from rtcdp.errors import UsageError
from rtcdp.settings import Settings
from rtcdp.vocabulary.metric import Metric

_SHOWN_ITEMS = 3
_COUNTS = ("received", "admitted", "duplicate", "late", "dead_letter", "conflict")


@with_settings("catalog")
def metrics(
    settings: Settings,
    name: Annotated[str | None, typer.Argument(help="Show the newest windows of this one.")] = None,
    *,
    docs: Annotated[
        bool, typer.Option("--docs", help="Show the page of the docs on it, or on all.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many windows.")] = 20,
) -> None:
    """List the metrics of the catalog, or the newest windows of one."""
    catalog = metrics_of(settings)
    described = [section(metric) for metric in catalog if docs and name in {None, metric.name}]
    if described:
        say(Text("\n".join(described)))
        return
    if name is None:
        say(_catalog_table(catalog))
        return
    metric = next((metric for metric in catalog if metric.name == name), None)
    if metric is None:
        raise UsageError(
            f"there is no metric {name!r}",
            f"name one of: {', '.join(metric.name for metric in catalog)}",
        )
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        items = windows(snapshot, metric, WindowQuery(limit=limit)).items
    say(_windows_table(metric, items) if items else f"{name} has no windows yet")


@with_settings()
def ledger(
    settings: Settings,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many rows.")] = 20,
) -> None:
    """Show what became of every record: the totals, and the newest minutes."""
    with store_of(settings, read_only=True) as store, store.snapshot() as snapshot:
        totals, minutes = snapshot.ledger_totals(), snapshot.ledger(limit=limit)
    say(balance(totals))
    if totals["conflict"]:
        say(Text(f"{totals['conflict']:,} duplicates came with another content", "yellow"))
    if minutes.is_empty():
        return
    counts = (f">{count.replace('_', ' ')}" for count in _COUNTS)
    table = listing("minute", "source", *counts)
    for row in minutes.iter_rows(named=True):
        cells = [f"{row[count]:,}" for count in _COUNTS]
        table.add_row(moment(row["minute"])[:-3], Text(row["source"]), *cells)
    say(table)


def _catalog_table(catalog: Sequence[Metric]) -> Table:
    table = listing("metric", "title", "key", "window", "measures")
    table.columns[0].no_wrap = True
    for metric in catalog:
        window = duration(metric.window.size_ms)
        if metric.window.overlap > 1:
            window += f" every {duration(metric.window.slide_ms)}"
        measures = ", ".join(measure.name for measure in metric.measures)
        table.add_row(
            Text(metric.name, "bold"),
            Text(metric.title),
            ", ".join(metric.key) or "–",
            window,
            measures,
        )
    return table


def _windows_table(metric: Metric, items: Sequence[dict[str, object]]) -> Table:
    names = [name for name in items[0] if name not in ("window_start", "window_end")]
    table = listing("window", *names, title=metric.title)
    table.columns[0].no_wrap = True
    for item in items:
        start, end = str(item["window_start"]), str(item["window_end"])
        window = f"{start[:10]} {start[11:19]} – {end[11:19]}"
        table.add_row(window, *(Text(_shown(item[name])) for name in names))
    return table


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, list):
        return ", ".join(map(_shown, value[:_SHOWN_ITEMS]))
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    return f"{value:,}" if isinstance(value, int) else str(value)
