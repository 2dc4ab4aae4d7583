"""The command `verify`: is the store what the log says?"""

from collections import Counter
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rtcdp.assembly.parts import log_reader, metrics_of, store_of
from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import listing, number, progress_bar, say
from rtcdp.clock import SystemClock
from rtcdp.settings import Settings
from rtcdp.verification import Difference, Kept, Verification
from rtcdp.verification import verify as compare


@with_settings("catalog")
def verify(
    settings: Settings,
    *,
    show: Annotated[
        int, typer.Option("--show", metavar="N", help="How many differences to list.")
    ] = 10,
) -> None:
    """Compute everything again from the log, naively, and compare it with the store."""
    retention = settings.store_retention
    kept = Kept(retention.windows_ms, retention.uncounted_ms, SystemClock().now_ms())
    with (
        log_reader(settings) as log,
        store_of(settings, read_only=True) as store,
        progress_bar() as bar,
    ):
        task = bar.add_task("verifying", total=None)
        found = compare(
            log,
            store,
            metrics_of(settings),
            settings.admission,
            kept,
            lambda read, total: bar.update(task, completed=read, total=total),
        )
    for reason in found.left_out:
        say(Text.assemble(("left out: ", "yellow"), reason))
    compared = f"{found.tables} tables, {number(found.rows)} rows, {number(found.events)} events"
    if not found.differences:
        say(Text.assemble(("no difference: ", "bold green"), compared))
        return
    say(_table(found, show), _summary(found), f"compared: {compared}")
    raise typer.Exit(1)


def _table(found: Verification, show: int) -> Table:
    table = listing("table", "key", "expected", "found", title="Not what the log says")
    for difference in found.differences[: max(0, show)]:
        table.add_row(*map(Text, _cells(difference)))
    return table


def _cells(difference: Difference) -> tuple[str, str, str, str]:
    expected = _values(difference.expected)
    if difference.note:
        expected += f" ({difference.note})"
    key = ", ".join(map(str, difference.key))
    return difference.table, key, expected, _values(difference.found)


def _values(values: tuple[object, ...] | None) -> str:
    if values is None:
        return "no row"
    return ", ".join(map(str, values)) or "a row"


def _summary(found: Verification) -> Text:
    by_table = Counter(difference.table for difference in found.differences)
    listed = ", ".join(f"{name} {count:,}" for name, count in by_table.most_common(5))
    return Text.assemble((f"{number(by_table.total())} differences: ", "bold red"), listed)
