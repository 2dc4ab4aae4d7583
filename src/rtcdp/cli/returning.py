"""The commands `retention` and `paths`: who comes back, and where people go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from rtcdp.answers.paths import PathsPage, PathsQuestion, paths_page
from rtcdp.answers.retention import (
    Modes,
    RetentionCell,
    RetentionPage,
    RetentionQuestion,
    retention_page,
)
from rtcdp.cli import terminal
from rtcdp.cli.funnel import bar
from rtcdp.cli.options import HowMany, with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.story_options import WHICH, Time, chosen_fold, installation_of, percent, remark_on
from rtcdp.cli.terminal import listing, number, say
from rtcdp.errors import UsageError
from rtcdp.runtime.settings import Settings

_MODES = ("on", "on_or_after", "bracket")
_COHORT_WIDTH, _CELL_WIDTH = 22, 5
_SHADES = ("", "", "cyan", "bold cyan", "bold green")
_ARROW, _NOT_OVER = " → ", "·"

_Name = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Which one; the only one may go without.")
]


@dataclass(frozen=True)
class How:
    """What counts as coming back."""

    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            metavar="on|on_or_after|bracket",
            help="Back in that period, in it or a later one, or within --brackets.",
            rich_help_panel=WHICH,
        ),
    ] = "on"
    brackets: Annotated[
        str | None,
        typer.Option(
            "--brackets", metavar="LIST", help="Like 0-1,1-7,7-30.", rich_help_panel=WHICH
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise UsageError(f"--mode is {self.mode!r}", "give on, on_or_after or bracket")


@with_settings("catalog", "folds")
def retention(
    settings: Settings,
    name: _Name = None,
    *,
    how: How,
    limit: HowMany = 20,
    time: Time,
    form: Form,
) -> None:
    """Show who comes back, cohort by cohort."""
    question = RetentionQuestion(
        mode=cast("Modes", how.mode), brackets=how.brackets, limit=limit, **time.asked
    )
    with installation_of(settings) as installation:
        fold = chosen_fold(installation, "retention", name)
        page = retention_page(installation, fold.name, question)
    rows = [msgspec.to_builtins(item) for item in page.items]
    more = {"retention": page.name, "pooled": msgspec.to_builtins(page.pooled), "tz": page.tz}
    write(Result(("cohort_start", "size", "cells"), rows, more), form, lambda: _show(page))
    remark_on(page)


def _show(page: RetentionPage) -> None:
    say(Text(page.title, "bold"))
    if not page.items:
        say("nobody has started yet")
        return
    how = "in that or a later one" if page.mode == "on_or_after" else "by when they came back"
    say(Text(f"{page.unit}s of {page.tz} after the start, {how}", "dim"))
    room = max(1, (terminal.out.width - _COHORT_WIDTH) // _CELL_WIDTH)
    cells = page.items[0].cells
    say(_grid(page, cells[:room]))
    if any(cell.rate is None for item in page.items for cell in item.cells[:room]):
        say(Text(f"{_NOT_OVER} not over yet", "dim"))
    if len(cells) > room:
        say(
            Text(f"{len(cells) - room} more {page.unit}s: in a wider window, or with --json", "dim")
        )


def _grid(page: RetentionPage, heads: Sequence[RetentionCell]) -> Table:
    names = [
        f"{head.after}" if head.until is None else f"{head.after}–{head.until - 1}"
        for head in heads
    ]
    table = listing("started", ">people", *(f">{each}" for each in names))
    for column in table.columns:
        column.no_wrap = True
    zone = Time(tz=page.tz)
    for item in page.items:
        start = zone.local(item.cohort_start)
        shown = start if page.unit == "hour" else start[:10]
        rates = [cell.rate for cell in item.cells[: len(heads)]]
        table.add_row(shown, number(item.size), *map(_cell, rates))
    pooled = {each.after: each.rate for each in page.pooled}
    if len(page.items) > 1:
        rates = [pooled.get(head.after) for head in heads]
        table.add_row(Text("all", "bold"), "", *(Text(_rate(rate), "bold") for rate in rates))
    return table


def _head(cell: RetentionCell) -> str:
    return f">{cell.after}" if cell.until is None else f">{cell.after}–{cell.until - 1}"


def _rate(rate: float | None) -> str:
    """A share in three places; nothing where it isn't known yet."""
    return "" if rate is None else f"{100 * rate:.0f}%"


def _cell(rate: float | None) -> Text:
    if rate is None:
        return Text(_NOT_OVER, "dim")
    return Text(_rate(rate), "dim" if rate == 0 else _SHADES[min(4, int(rate * 5))])


@with_settings("catalog", "folds")
def paths(
    settings: Settings,
    name: _Name = None,
    *,
    limit: HowMany = 10,
    time: Time,
    form: Form,
) -> None:
    """Show the paths that are gone most, and where they end."""
    question = PathsQuestion(limit=limit, **time.asked)
    with installation_of(settings) as installation:
        fold = chosen_fold(installation, "paths", name)
        page = paths_page(installation, fold.name, question)
    rows = [msgspec.to_builtins(item) for item in page.items]
    more = {
        "paths": page.name,
        "count": page.count,
        "other": msgspec.to_builtins(page.other),
        "drop_off": msgspec.to_builtins(page.drop_off),
    }
    write(Result(("path", "count", "share"), rows, more), form, lambda: _show_paths(page))
    remark_on(page)


def _show_paths(page: PathsPage) -> None:
    say(Text(page.title, "bold"))
    if not page.count:
        say("nobody has gone anywhere yet")
        return
    table = listing(">times", ">of all", "path")
    for item in page.items:
        table.add_row(number(item.count), percent(item.share), _ARROW.join(item.path))
    if page.other is not None:
        other = f"{number(page.other.distinct)} other paths"
        table.add_row(number(page.other.count), percent(page.other.share), Text(other, "dim"))
    say(table)
    say(_drop_off_table(page))


def _drop_off_table(page: PathsPage) -> Table:
    table = listing(">after", ">went so far", "", ">ended there")
    for each in page.drop_off:
        table.add_row(
            number(each.nodes),
            number(each.reached),
            Text(bar(each.reached / page.count), "cyan"),
            percent(each.ended / each.reached),
        )
    return table
