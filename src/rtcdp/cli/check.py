"""The command `check`: what is wrong with a folder of definitions, and what would change?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rtcdp.catalog.catalog import Definition, FileFault, check_catalog, chosen_folds
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.terminal import listing, say, shown
from rtcdp.definitions import Fold
from rtcdp.definitions.enrichment import stored_metrics
from rtcdp.definitions.products import PRODUCT_TABLES
from rtcdp.engines.notices import rests_beside_folds
from rtcdp.errors import UsageError
from rtcdp.plain_text import as_text
from rtcdp.runtime.parts import kept_by_type_of, store_of
from rtcdp.runtime.settings import Settings

_COLUMNS = ("file", "line", "message", "hint")
_MEANS = {
    "new": "will be filled from the log",
    "changed": "will be counted anew from the log; its answers until now go",
    "gone": "stands still: it is not in the catalog",
}


@with_settings("catalog", "folds")
def check(
    settings: Settings,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="The folder; that of --catalog if it is left out."),
    ] = None,
    *,
    form: Form,
) -> None:
    """Read a folder of metrics and folds before anything runs: what is wrong, what would change."""
    place = directory or settings.catalog
    if place is None:
        raise UsageError("there is no folder to check", "name it: rtcdp check DIR")
    definitions, faults = check_catalog(place)
    changes = _changes(settings, definitions)
    rows = [
        {"file": str(f.file), "line": f.line, "message": f.message, "hint": f.hint} for f in faults
    ]
    folds = [each.name for each in definitions if isinstance(each, Fold)]
    metrics = [each.name for each in definitions if not isinstance(each, Fold)]
    more = {"metrics": metrics, "folds": folds, "changes": dict(changes)}
    count = f"{len(metrics)} metrics and {len(folds)} folds"
    write(Result(_COLUMNS, rows, more), form, lambda: _show(count, faults, changes))
    if faults:
        raise typer.Exit(1)
    # It is refused here as it would be by a processor.
    kept_by_type_of(settings, [each for each in definitions if isinstance(each, Fold)])


def _changes(settings: Settings, definitions: Sequence[Definition]) -> list[tuple[str, str]]:
    """What becomes of which definition, against the store, if there is one."""
    if settings.store_path is not None and not settings.store_path.exists():
        return []
    with store_of(settings, read_only=True) as store:
        stored = {**store.metrics(), **store.row_tables()}
    if not stored:
        return []
    folds = [each for each in definitions if isinstance(each, Fold)]
    asleep = {each.name for each in folds} - {
        each.name for each in chosen_folds(settings.folds, folds)
    }
    found: dict[str, str] = {}
    known = {table.name for table in PRODUCT_TABLES} | asleep
    for each in definitions:
        marks = {} if each.name in asleep else _marks_of(each)
        known |= {*marks}
        if any(stored.get(name) != mark for name, mark in marks.items()):
            found[each.name] = "changed" if {*marks} & {*stored} else "new"
    gone = [name for name in stored if name not in known and not rests_beside_folds(name)]
    return [*found.items(), *((name, "gone") for name in gone)]


def _marks_of(definition: Definition) -> dict[str, str]:
    """The fingerprints by which a store knows it, or the parts in which it rests there."""
    if isinstance(definition, Fold):
        return {definition.name: definition.table.fingerprint}
    return {part.name: part.fingerprint for part in stored_metrics([definition])}


def _show(count: str, faults: Sequence[FileFault], changes: Sequence[tuple[str, str]]) -> None:
    for fault in faults:
        say(Text.assemble(("✗ ", "bold red"), shown(str(fault))))
        say(Text.assemble("  → ", (as_text(fault.hint), "bold")))
    if changes:
        table = listing("definition", "is", "and")
        for name, what in changes:
            table.add_row(name, what, _MEANS[what])
        say(table)
    if faults:
        say(Text(f"{len(faults)} to mend", "bold red"))
    else:
        say(Text(f"{count}, nothing to mend", "bold green"))
