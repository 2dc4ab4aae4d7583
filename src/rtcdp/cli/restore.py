"""The command `restore`: an installation is brought back from a backup, and checked."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rtcdp.access.audit import AuditLog
from rtcdp.cli.backup import Made, contents
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form
from rtcdp.cli.terminal import number, progress_bar, say
from rtcdp.cli.verify import check_all, check_sums_alone
from rtcdp.clock import SystemClock
from rtcdp.runtime.backup import Restored
from rtcdp.runtime.backup import restore as bring_back
from rtcdp.runtime.settings import Settings

_SHOWN = 10


@with_settings("catalog", "folds")
def restore(
    settings: Settings,
    folder: Made,
    *,
    receipts: Annotated[
        list[Path] | None,
        typer.Option(
            "--receipts",
            metavar="FILE|FOLDER",
            help="Receipts of users who were erased after the backup was made: they are erased"
            " again. May come several times.",
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="In the end, only see whether the counts add up; without the log."
        ),
    ] = False,
) -> None:
    """Bring an installation back from a backup, into a new place, and check it."""
    clock = SystemClock()
    with progress_bar(counted=False) as bar:
        task = bar.add_task("reading", total=None)
        restored = bring_back(
            settings,
            clock,
            folder,
            receipts or (),
            lambda done, of: bar.update(task, completed=done, total=of),
        )
    AuditLog(settings.data_dir, clock).note("command line", "restore")
    say(f"brought back into {settings.data_dir}: {contents(restored.manifest)}")
    _tell_of_erased(restored, given=bool(receipts))
    if quick:
        check_sums_alone(settings, _SHOWN, Form())
    else:
        check_all(settings, _SHOWN, Form())
    if any(receipt.found for receipt in restored.receipts):
        raise typer.Exit(1)


def _tell_of_erased(restored: Restored, *, given: bool) -> None:
    if restored.erased_since:
        say(
            f"{number(restored.erased_since)} users were erased since it was made:"
            f" {number(len(restored.receipts))} of them had something in it, and are erased again"
        )
        say(Text("the backup itself still holds them: delete it when it isn't needed", "yellow"))
    for receipt in restored.receipts:
        for trace in receipt.found:
            say(Text(f"an id still stands {trace.count:,} times in {trace.place}", "bold red"))
    if not (restored.has_origin or given):
        say(
            Text(
                "nobody knows here who was erased since it was made: if there was anybody, take"
                " this away and restore again with --receipts",
                "yellow",
            )
        )
