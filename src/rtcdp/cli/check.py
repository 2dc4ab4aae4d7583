"""The command `check`: what is wrong with a folder of metrics, and what would it change?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rtcdp.catalog.catalog import FileFault, check_catalog
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.terminal import listing, say, shown
from rtcdp.definitions import Metric
from rtcdp.errors import UsageError
from rtcdp.plain_text import as_text
from rtcdp.runtime.parts import store_of
from rtcdp.runtime.settings import Settings

_COLUMNS = ("file", "line", "message", "hint")
_MEANS = {
    "new": "will be filled from the log",
    "changed": "will be counted anew from the log; its answers until now go",
    "gone": "stands still: it is not in the catalog",
}


@with_settings("catalog")
def check(
    settings: Settings,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="The folder; that of --catalog if it is left out."),
    ] = None,
    *,
    form: Form,
) -> None:
    """Read a folder of metrics before anything runs: what is wrong, and what it would change."""
    place = directory or settings.catalog
    if place is None:
        raise UsageError("there is no folder to check", "name it: rtcdp check DIR")
    metrics, faults = check_catalog(place)
    changes = _changes(settings, metrics)
    rows = [
        {"file": str(f.file), "line": f.line, "message": f.message, "hint": f.hint} for f in faults
    ]
    more = {"metrics": [metric.name for metric in metrics], "changes": dict(changes)}
    write(Result(_COLUMNS, rows, more), form, lambda: _show(metrics, faults, changes))
    if faults:
        raise typer.Exit(1)


def _changes(settings: Settings, metrics: Sequence[Metric]) -> list[tuple[str, str]]:
    """What becomes of which metric, against the store, if there is one."""
    if settings.store_path is not None and not settings.store_path.exists():
        return []
    with store_of(settings, read_only=True) as store:
        stored = store.metrics()
    if not stored:
        return []
    names = {metric.name for metric in metrics}
    found = [
        (metric.name, "changed" if metric.name in stored else "new")
        for metric in metrics
        if stored.get(metric.name) != metric.fingerprint
    ]
    return [*found, *((name, "gone") for name in stored if name not in names)]


def _show(
    metrics: Sequence[Metric], faults: Sequence[FileFault], changes: Sequence[tuple[str, str]]
) -> None:
    for fault in faults:
        say(Text.assemble(("✗ ", "bold red"), shown(str(fault))))
        say(Text.assemble("  → ", (as_text(fault.hint), "bold")))
    if changes:
        table = listing("metric", "is", "and")
        for name, what in changes:
            table.add_row(name, what, _MEANS[what])
        say(table)
    if faults:
        say(Text(f"{len(faults)} to mend", "bold red"))
    else:
        say(Text(f"{len(metrics)} metrics, nothing to mend", "bold green"))
