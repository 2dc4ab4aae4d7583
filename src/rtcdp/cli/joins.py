"""The command `joins`: what became of carts, or whatever a join looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from rtcdp.answers.fold_rows import RowsPage
from rtcdp.answers.funnels import CohortUnit
from rtcdp.answers.join_totals import JoinTotal, JoinTotals, JoinTotalsQuestion, join_totals
from rtcdp.answers.joins import KIND, JoinRowsQuestion, join_page
from rtcdp.cli.options import HowMany, with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.story_options import WHICH, Time, chosen_fold, installation_of, percent, remark_on
from rtcdp.cli.terminal import duration, listing, number, say
from rtcdp.definitions import Fold
from rtcdp.errors import UsageError
from rtcdp.folds.joins import WAITING, IntervalJoin
from rtcdp.runtime.settings import Settings
from rtcdp.words import cents

_COHORTS = ("hour", "day", "week", "month", "none")
_COUNTED = ("count", "value")
_WORD_WIDTH, _KEY_WIDTH = 10, 16


@dataclass(frozen=True)
class Rows:
    """Which rows are listed, in the place of totals."""

    list: Annotated[
        bool, typer.Option("--list", help="List them one by one instead.", rich_help_panel=WHICH)
    ] = False
    outcome: Annotated[
        str | None,
        typer.Option(
            "--outcome",
            metavar="WORD",
            help="With --list: only these, like converted, abandoned or waiting.",
            rich_help_panel=WHICH,
        ),
    ] = None
    user: Annotated[
        str | None,
        typer.Option(
            "--user", metavar="ID", help="With --list: only this user's.", rich_help_panel=WHICH
        ),
    ] = None

    def __post_init__(self) -> None:
        if not self.list and (self.outcome is not None or self.user is not None):
            flag = "--user" if self.outcome is None else "--outcome"
            raise UsageError(f"{flag} says which are listed", "give --list with it")


@dataclass(frozen=True)
class Apart:
    """How they are told apart, and how many are shown."""

    cohort: Annotated[
        str,
        typer.Option(
            "--cohort",
            metavar="UNIT",
            help="Add them up by hour, day, week, month, or none: all together.",
            rich_help_panel=WHICH,
        ),
    ] = "day"
    limit: HowMany = 20

    def __post_init__(self) -> None:
        if self.cohort not in _COHORTS:
            raise UsageError(f"--cohort is {self.cohort!r}", "give hour, day, week, month or none")


@with_settings("catalog", "folds")
def joins(
    settings: Settings,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The join; the only one may go without.")
    ] = None,
    *,
    rows: Rows,
    apart: Apart,
    time: Time,
    form: Form,
) -> None:
    """Show what became of carts: bought, left, or still open; day by day or one by one."""
    with installation_of(settings) as installation:
        fold = chosen_fold(installation, KIND, name)
        if rows.list:
            listed = join_page(
                installation,
                fold.name,
                JoinRowsQuestion(
                    equals={} if rows.user is None else {fold.key: (rows.user,)},
                    outcome=rows.outcome,
                    limit=apart.limit,
                    **time.asked,
                ),
            )
            _write_rows(listed, fold, time, form)
            return
        unit = cast("CohortUnit", apart.cohort)
        question = JoinTotalsQuestion(cohort=unit, tz=time.tz, limit=apart.limit, **time.asked)
        page = join_totals(installation, fold.name, question)
    items = [msgspec.to_builtins(item) for item in page.items]
    if form.csv:
        items = [_in_columns(item) for item in items]
    columns = tuple(items[0]) if items else ("cohort_start",)
    more = {
        "join": page.name,
        "within_ms": page.within_ms,
        "tz": page.tz,
        "total": msgspec.to_builtins(page.total),
        "as_of": page.as_of,
    }
    write(Result(columns, items, more), form, lambda: _show(page, time))
    remark_on(page)


def _in_columns(item: dict[str, Any]) -> dict[str, Any]:
    """A sum with two columns for each outcome, as a table of numbers has it."""
    outcomes = item.pop("outcomes")
    apart = {f"{name}_{what}": found[what] for name, found in outcomes.items() for what in _COUNTED}
    return {**item, **apart}


def _show(page: JoinTotals, time: Time) -> None:
    say(Text(page.title, "bold"))
    if page.total is None:
        say("nothing has happened yet")
        return
    when = "all together" if page.cohort == "none" else f"by the {page.cohort} of {page.tz}"
    say(Text(f"{when}, within {duration(page.within_ms)}", "dim"))
    say(_totals_table(page, time))
    say(Text("share is of those whose time is over, at stake what has no partner", "dim"))


def _totals_table(page: JoinTotals, time: Time) -> Table:
    assert page.total is not None
    words = tuple(page.total.outcomes)
    dated = () if page.cohort == "none" else (page.cohort,)
    table = listing(
        *dated, ">all", *(f">{word}" for word in words), ">share", ">at stake", ">median"
    )
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    for column in table.columns[len(dated) + 1 : -3]:
        column.max_width = _WORD_WIDTH
    for item in page.items:
        start = time.local(item.cohort_start)
        shown = start if page.cohort == "hour" else start[:10]
        table.add_row(*((shown,) if dated else ()), *_cells(item, words))
    if dated and len(page.items) > 1:
        cells = ("all", *_cells(page.total, words))
        table.add_row(*(Text(cell, "bold") for cell in cells))
    return table


def _cells(item: JoinTotal, words: Sequence[str]) -> tuple[str, ...]:
    counts = [item.outcomes[word].count for word in words]
    at_stake = sum(item.outcomes[word].value for word in words[1:])
    return (
        number(item.count),
        *(number(count) if count else "" for count in counts),
        percent(item.conversion),
        cents(at_stake) if at_stake else "",
        "" if item.median_ms is None else duration(item.median_ms),
    )


def _write_rows(page: RowsPage, fold: Fold, time: Time, form: Form) -> None:
    columns = tuple(page.items[0]) if page.items else ("id",)
    more = {"join": fold.name, "as_of": page.as_of, "complete_from": page.complete_from}
    table = _rows_table(page.items, fold, time)
    write(
        Result(columns, page.items, more), form, lambda: say(table if page.items else "no such row")
    )
    remark_on(page)


def _rows_table(items: Sequence[Mapping[str, Any]], fold: Fold, time: Time) -> Table:
    keys = (fold.key, *cast("IntervalJoin", fold.step).on)
    table = listing("when", *keys, ">value", "outcome", ">after")
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    for column in table.columns[1 : len(keys) + 1]:
        column.max_width = _KEY_WIDTH
    for item in items:
        value, took = item["left_value"], item["took_ms"]
        style = "cyan" if item["outcome"] == WAITING else "green" if item["matched"] else ""
        table.add_row(
            time.local(item["left_at"]),
            *(str(item[key]) for key in keys),
            "" if value is None else cents(value),
            Text(item["outcome"], style),
            "" if took is None else duration(took),
        )
    return table
