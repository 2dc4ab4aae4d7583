"""How the command line talks: numbers, tables, errors, help and what telemetry tells, in one
look."""

import sys
import textwrap
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from rtcdp.errors import RtcdpError
from rtcdp.plain_text import as_text
from rtcdp.runtime.processes.signals import Heard
from rtcdp.telemetry import Entry, EntryHandler, entry_in, entry_now, tell_entries

if TYPE_CHECKING:
    from rtcdp.clock import Clock
    from rtcdp.runtime.settings import Settings

INTERRUPTED = 130
"""The exit code of what Ctrl-C stopped, as a shell has it."""


class _Remarks(Console):
    """Standard error: what is said there may find no reader, and ends nothing."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


out = Console(highlight=False, markup=False, emoji=False)
err = _Remarks(stderr=True, highlight=False, markup=False, emoji=False)

_VERDICTS = ("admitted", "duplicate", "late", "dead_letter", "erased")


class Listing(Table):
    """A table without frames, whose cells are shown as the text that they are."""

    def add_row(self, *cells: object, **how: Any) -> None:
        super().add_row(*map(shown, cells), **how)


def shown(value: object) -> Text:
    """A value as text that steers no terminal and is no markup; a `Text` keeps its style."""
    if not isinstance(value, Text):
        return Text(as_text(value))
    plain = as_text(value.plain)
    return value if plain == value.plain else Text(plain, value.style)


def cut(line: Text) -> Text:
    """The line as far as it fits: to the edge of a terminal, and nowhere else."""
    if out.is_terminal:
        line.truncate(out.width, overflow="ellipsis")
    return line


def set_in(text: object) -> list[str]:
    """Lines that begin with two blanks, none longer than a terminal is wide; one for a file."""
    width = out.width if out.is_terminal else sys.maxsize
    return textwrap.wrap(as_text(text), width, initial_indent="  ", subsequent_indent="  ")


def say(*lines: str | Text | Table) -> None:
    """Write to standard output, each text on a line of its own."""
    for line in lines:
        is_table = isinstance(line, Table)
        out.print(line if is_table else shown(line), soft_wrap=not is_table)


def remark(line: str | Text) -> None:
    """Write to standard error what is not the command's result."""
    err.print(shown(line), soft_wrap=True)


def named(text: str) -> Text:
    """A line that begins with the program's name."""
    return Text.assemble(("rtcdp", "bold"), f" {as_text(text)}")


def complain(error: RtcdpError) -> None:
    """Write an error and what to do about it to standard error."""
    err.print(Text.assemble(("rtcdp: ", "bold red"), (as_text(error), "red")), soft_wrap=True)
    if error.hint:
        err.print(Text.assemble(("  → ", "bold"), as_text(error.hint)), soft_wrap=True)


def end_of(heard: Heard, *, is_unfinished: bool = False) -> None:
    """End the command with `INTERRUPTED` if Ctrl-C stopped it, or any signal before its work was
    done. What would go on for ever and is told to end by another signal has done its work."""
    if is_unfinished or heard.is_interrupt:
        raise typer.Exit(INTERRUPTED)


def listing(*columns: str, title: str | None = None) -> Listing:
    """An empty table without frames. A column whose name begins with > is aligned to the right."""
    table = Listing(
        title=None if title is None else shown(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        header_style="dim",
        pad_edge=False,
        collapse_padding=True,
    )
    for column in columns:
        justify: JustifyMethod = "right" if column.startswith(">") else "left"
        table.add_column(shown(column.removeprefix(">")), justify=justify, overflow="fold")
    return table


def fits(table: Table) -> bool:
    """Is the terminal wide enough to break no line of the table?"""
    unbounded = out.options.update(max_width=10_000)
    return out.measure(table, options=unbounded).maximum <= out.width


def progress_bar(*, counted: bool = True, shown: bool = True) -> Progress:
    """A bar on standard error, if that is a terminal; `counted` shows how many of how many."""
    columns = [TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn()]
    if counted:
        columns.insert(2, MofNCompleteColumn())
    return Progress(*columns, console=err, transient=True, disable=not (shown and err.is_terminal))


def number(value: float) -> str:
    """12,345 or 12.3"""
    return f"{value:,.0f}" if float(value).is_integer() or value >= 1000 else f"{value:,.1f}"


def duration(milliseconds: float) -> str:
    """250 ms, 12 s, 5 min, 3 h, 2 d"""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    amount = milliseconds / 1000
    for unit, size in (("s", 60), ("min", 60), ("h", 48)):
        if amount < size:
            return f"{amount:.1f} {unit}" if amount < 10 and unit == "s" else f"{amount:.0f} {unit}"
        amount /= 60 if unit != "h" else 24
    return f"{amount:.0f} d"


def moment(instant_ms: int) -> str:
    """2026-01-31 09:30:00"""
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def balance(totals: Mapping[str, int]) -> Text:
    """received 12 = admitted 10 + duplicate 1 + late 1 + dead letter 0 ✓; erased ones where there
    are any"""
    shown = [name for name in _VERDICTS if name != "erased" or totals.get(name)]
    parts = [f"{verdict.replace('_', ' ')} {totals.get(verdict, 0):,}" for verdict in shown]
    received = totals.get("received", 0)
    is_balanced = received == sum(totals.get(verdict, 0) for verdict in _VERDICTS)
    return Text.assemble(
        (f"received {received:,}", "bold"),
        f" = {' + '.join(parts)} ",
        ("✓", "green") if is_balanced else ("✗ it doesn't balance", "bold red"),
    )


class PlainCommand(TyperCommand):
    """A command whose switches stand in its help without a type."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """The same for a command that has commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))


class ListingGroup(PlainGroup):
    """A command that lists unless it is told what else to do, as one without commands would."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # A shell that completes the first word asks for all of them.
        first = args[0] if args else "" if ctx.resilient_parsing else "-"
        if first.startswith("-") and first not in ctx.help_option_names:
            args = ["list", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


def without_types(params: list[Any]) -> list[Any]:
    """The same parameters; switches say nothing of a value, for they take none, and arguments
    nothing of Python's types. What has to be there stands in the usage without brackets."""
    for param in params:
        if param.param_type_name == "argument":
            param.display_type_rich = _nothing
            if param.required:
                usage = f"{param.display_name_raw}{'...' if param.nargs != 1 else ''}"
                vars(param)["get_usage_pieces"] = _always([usage])
        # Typer has no other way to leave it out.
        vars(param)["_get_number_range_help_str"] = _nothing
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    return params


def _always(found: list[str]) -> Callable[..., list[str]]:
    return lambda _: found


def _nothing(**_: Any) -> None:
    return None


_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}


def tell_here(settings: "Settings", part: str, clock: "Clock") -> None:
    """Show what this process tells on standard error, as `settings.log_format` says."""
    tell_entries(shower(settings, err), part, clock)


def shower(settings: "Settings", console: Console) -> EntryHandler:
    """What shows entries on `console`, from any thread, and raises nothing: whoever reads them may
    have gone, or have no room, and what they tell of goes on."""

    def show(entry: Entry) -> None:
        if settings.log_format == "json":
            text = Text(entry.as_json())
        else:
            text = Text(entry.as_text(), _STYLES.get(entry.level, ""))
        # Rich makes a SystemExit of a reader who is gone, which ends this thread without a word.
        with suppress(OSError, SystemExit):
            try:
                console.print(text, soft_wrap=True)
            except OSError:
                # It is kept to be written with the next one otherwise, and so on for ever.
                with console.capture():
                    return

    return show


def entry_of(line: str, part: str, clock: "Clock") -> Entry:
    """What a part said in a line: an entry, or, for what wrote past the telemetry, a warning."""
    return entry_in(line) or entry_now(clock, "WARNING", part, line)
