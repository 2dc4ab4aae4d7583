"""The command `funnel`: how many came how far, and who they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from rtcdp.answers.funnels import (
    KIND,
    CohortUnit,
    FunnelCohort,
    FunnelPage,
    FunnelQuestion,
    PeoplePage,
    PeopleQuestion,
    funnel_page,
    people_page,
)
from rtcdp.answers.instant import read_instant
from rtcdp.cli.options import HowMany, with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.story_options import (
    WHICH,
    Time,
    as_usage,
    chosen_fold,
    installation_of,
    percent,
    remark_on,
)
from rtcdp.cli.terminal import duration, listing, number, say
from rtcdp.errors import UsageError
from rtcdp.runtime.settings import Settings

_COHORTS = ("hour", "day", "week", "month", "none")
_OUTCOMES = ("reached", "dropped")
_BAR = 24
_VALUE_WIDTH = 24
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Apart:
    """How people are told apart, and how many are shown."""

    cohort: Annotated[
        str,
        typer.Option(
            "--cohort",
            metavar="UNIT",
            help="Tell people apart by when they entered: hour, day, week or month.",
            rich_help_panel=WHICH,
        ),
    ] = "none"
    breakdown: Annotated[
        bool,
        typer.Option(
            "--breakdown", help="Tell the values of its breakdown apart.", rich_help_panel=WHICH
        ),
    ] = False
    limit: HowMany = 20

    def __post_init__(self) -> None:
        if self.cohort not in _COHORTS:
            raise UsageError(f"--cohort is {self.cohort!r}", "give hour, day, week, month or none")


@dataclass(frozen=True)
class People:
    """Who is listed, in the place of numbers."""

    people: Annotated[
        bool, typer.Option("--people", help="List people instead.", rich_help_panel=WHICH)
    ] = False
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            metavar="STEP",
            help="With --people: the step, by number or name.",
            rich_help_panel=WHICH,
        ),
    ] = None
    outcome: Annotated[
        str | None,
        typer.Option(
            "--outcome",
            metavar="reached|dropped",
            help="With --people: who reached it, or got no farther.",
            rich_help_panel=WHICH,
        ),
    ] = None
    cohort_start: Annotated[
        str | None,
        typer.Option(
            "--cohort-start",
            metavar="TIME",
            help="With --people: of the cohort that begins then.",
            rich_help_panel=WHICH,
        ),
    ] = None

    def __post_init__(self) -> None:
        given = {
            "--step": self.step,
            "--outcome": self.outcome,
            "--cohort-start": self.cohort_start,
        }
        alone = [flag for flag, value in given.items() if value is not None]
        if alone and not self.people:
            raise UsageError(f"{alone[0]} says which people are listed", "give --people with it")
        if self.outcome not in (None, *_OUTCOMES):
            raise UsageError(f"--outcome is {self.outcome!r}", "give reached or dropped")


@with_settings("catalog", "folds")
def funnel(
    settings: Settings,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The funnel; its only one may go without.")
    ] = None,
    *,
    apart: Apart,
    people: People,
    time: Time,
    form: Form,
) -> None:
    """Show how many came how far in a funnel, or who they are."""
    unit = cast("CohortUnit", apart.cohort)
    with installation_of(settings) as installation:
        chosen = chosen_fold(installation, KIND, name).name
        if people.people:
            with as_usage():
                start = people.cohort_start
                question = PeopleQuestion(
                    step=people.step or "1",
                    outcome=cast("Literal['reached', 'dropped']", people.outcome or "reached"),
                    cohort=unit,
                    cohort_start=None if start is None else time.instant("cohort-start", start),
                    tz=time.tz,
                    limit=apart.limit,
                    **time.asked,
                )
            listed = people_page(installation, chosen, question)
            _write_people(listed, question, time, form)
            return
        asked = FunnelQuestion(
            cohort=unit,
            breakdown="each" if apart.breakdown else None,
            tz=time.tz,
            limit=apart.limit,
            **time.asked,
        )
        page = funnel_page(installation, chosen, asked)
    rows = [msgspec.to_builtins(item) for item in page.items]
    more = {"funnel": page.name, "steps": page.steps, "by": page.by, "as_of": page.as_of}
    split = ("breakdown",) if apart.breakdown else ()
    columns = ("cohort_start", "cohort_end", *split, "entrants", "open", "steps")
    write(Result(columns, rows, more), form, lambda: _show(page, time))
    remark_on(page)


def _show(page: FunnelPage, time: Time) -> None:
    say(Text(page.title, "bold"))
    within = "" if page.within_ms is None else f" within {duration(page.within_ms)}"
    if not page.items:
        say("nobody has entered it")
        return
    if page.cohort == "none" and page.items[0].breakdown is msgspec.UNSET:
        [whole] = page.items
        say(Text(f"{number(whole.entrants)} entered, counted by {page.by}{within}", "dim"))
        say(_steps_table(whole))
    else:
        when = "" if page.cohort == "none" else f"by the {page.cohort} of {page.tz}, "
        say(Text(f"{when}counted by {page.by}{within}", "dim"))
        say(_cohorts_table(page, time))
    if any(item.open for item in page.items):
        many = "…: " if page.cohort != "none" else ""
        say(Text(f"{many}some may still get farther", "dim"))


def _steps_table(cohort: FunnelCohort) -> Table:
    table = listing("step", ">reached", "", ">of all", ">left", ">median", ">p90")
    table.columns[0].overflow = "ellipsis"
    table.columns[0].no_wrap = True
    table.columns[0].max_width = 18
    table.columns[2].no_wrap = True
    most = max(1, *(cell.reached for cell in cohort.steps))
    for cell in cohort.steps:
        table.add_row(
            cell.name,
            number(cell.reached),
            Text(bar(cell.reached / most), "cyan"),
            percent(cell.conversion),
            number(cell.dropped) if cell.dropped else "",
            "" if cell.median_ms is None else duration(cell.median_ms),
            "" if cell.p90_ms is None else duration(cell.p90_ms),
        )
    return table


def bar(share: float, width: int = _BAR) -> str:
    """A bar of so many characters for a whole, never empty for what is not nothing."""
    eighths = max(round(share * width * 8), 1 if share > 0 else 0)
    rest = _EIGHTHS[eighths % 8] if eighths % 8 else ""
    return "█" * (eighths // 8) + rest


def _cohorts_table(page: FunnelPage, time: Time) -> Table:
    is_split = page.items[0].breakdown is not msgspec.UNSET
    is_dated = page.cohort != "none"
    heads = [*(["entered"] if is_dated else []), *(["with"] if is_split else [])]
    table = listing(*heads, ">people", *(f">{name}" for name in page.steps[1:]), "")
    for column in table.columns[: len(heads)]:
        column.no_wrap, column.overflow, column.max_width = True, "ellipsis", _VALUE_WIDTH
    for item in page.items:
        start = time.local(item.cohort_start)
        dated = [start if page.cohort == "hour" else start[:10]] if is_dated else []
        value = [Text(str(item.breakdown)) if item.breakdown is not None else Text("–", "dim")]
        cells = [percent(cell.conversion) for cell in item.steps[1:]]
        mark = Text("…" if item.open else "", "dim")
        table.add_row(*dated, *(value if is_split else []), number(item.entrants), *cells, mark)
    return table


def _write_people(page: PeoplePage, question: PeopleQuestion, time: Time, form: Form) -> None:
    columns = tuple(page.items[0]) if page.items else ("userId",)
    more = {"count": page.count, "steps": page.steps, "as_of": page.as_of}
    write(Result(columns, page.items, more), form, lambda: _show_people(page, question, time))
    remark_on(page)


def _show_people(page: PeoplePage, question: PeopleQuestion, time: Time) -> None:
    named = page.steps[int(question.step) - 1] if question.step.isdigit() else question.step
    what = "got no farther than" if question.outcome == "dropped" else "reached"
    say(Text.assemble((number(page.count), "bold"), f" {what} ", (named, "bold")))
    if page.items:
        say(_people_table(page.items, page.steps, time))
    if page.count > len(page.items):
        say(Text(f"the newest {len(page.items)} are shown; --limit shows more", "dim"))


def _people_table(items: Sequence[Mapping[str, Any]], steps: Sequence[str], time: Time) -> Table:
    held = [name for name in items[0] if name not in _TOLD and not name.startswith("at_")]
    table = listing(*held, "entered", *steps[1:])
    for column in table.columns[: len(held)]:
        column.overflow = "ellipsis"
        column.no_wrap = True
    table.columns[len(held)].no_wrap = True
    for item in items:
        entered = f"at_{item['entered_step']}"
        later = [_after(item[entered], item[f"at_{n}"]) for n in range(2, len(steps) + 1)]
        table.add_row(*(_cell(item[name]) for name in held), time.local(item["entered_at"]), *later)
    return table


_TOLD = ("entered_at", "entered_step", "depth", "open", "partial", "session_start")


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _after(start: str | None, instant: str | None) -> str:
    """How long after the start a step was reached."""
    if instant is None or start is None:
        return "–"
    taken_ms = read_instant("at", instant) - read_instant("at", start)
    return f"+{duration(taken_ms)}"
