"""The command `metrics`: the catalog, or windows of one metric."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal, cast

import typer
from rich.table import Table
from rich.text import Text

from rtcdp.answers.metrics import WindowsQuestion, find_metric, windows_page
from rtcdp.answers.windows import FINAL, PARTIAL
from rtcdp.catalog.catalog import load_folds
from rtcdp.catalog.reference import section, told_of
from rtcdp.cli import terminal
from rtcdp.cli.options import HowMany, with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.story_options import WHICH, Time, as_usage, installation_of, of_yours, remark_on
from rtcdp.cli.terminal import duration, fits, listing, say
from rtcdp.definitions import Calendar, Fold, Metric, window_in_words
from rtcdp.errors import UsageError, did_you_mean
from rtcdp.runtime.parts import (
    left_out_text,
    metrics_left_out,
    metrics_of,
    require_store,
    store_of,
)
from rtcdp.runtime.settings import Settings
from rtcdp.words import measured

_SHOWN_ITEMS = 3
_CATALOG_COLUMNS = ("metric", "title", "key", "window", "measures")
_TIMES = ("window_start", "window_end")
_OPEN, _PARTIAL = "…", "!"
_STATES = ("open", "closed")


@dataclass(frozen=True)
class Which:
    """What is shown of the metric, besides its time."""

    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="open|closed",
            help="Only windows that have not ended yet, or only those that have.",
            rich_help_panel=WHICH,
        ),
    ] = None
    docs: Annotated[
        bool, typer.Option("--docs", help="Show what the docs say of it, or of all, and of folds.")
    ] = False
    limit: HowMany = 20

    def __post_init__(self) -> None:
        if self.state not in (None, *_STATES):
            raise UsageError(f"--state is {self.state!r}", "give open or closed")


@with_settings("catalog")
def metrics(
    settings: Settings,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show the newest windows of this one.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=TEXT", help="Only those, like userId=ada; several mean any of them."
        ),
    ] = None,
    *,
    which: Which,
    time: Time,
    form: Form,
) -> None:
    """List the metrics of the catalog, or the newest windows of one."""
    catalog = metrics_of(settings)
    if which.docs:
        asked = _asked_for(settings, [*catalog, *load_folds(settings.catalog)], name)
        if form.json or form.csv:
            raise UsageError("--docs is for reading", "leave out --json and --csv")
        if terminal.out.is_terminal:
            say(*(line for each in asked for line in _explained(each)))
        else:
            say(*"\n".join(map(section, asked)).splitlines())
        return
    if name is None:
        _list(settings, catalog, form)
        return
    with as_usage(settings):
        metric = find_metric(catalog, name)
    question = WindowsQuestion(
        equals=_equals(metric, where or ()),
        state=cast("Literal['open', 'closed'] | None", which.state),
        limit=which.limit,
        **time.asked,
    )
    with installation_of(settings) as installation:
        page = windows_page(installation, metric, question)
    found = page.items
    names = tuple(dict.fromkeys(key for item in found for key in item))
    more = {"metric": metric.name, "as_of": page.as_of, "complete_from": page.complete_from}
    write(
        Result(names or (*metric.key_names, *_TIMES), found, more),
        form,
        lambda: _show_windows(metric, found, time, goes_on=page.next_cursor is not None),
    )
    remark_on(page)


def _asked_for(
    settings: Settings, there: Sequence[Metric | Fold], name: str | None
) -> Sequence[Metric | Fold]:
    """The metric or the fold of that name, or all. Raises `UsageError`."""
    found = [each for each in there if name in (None, each.name)]
    if found:
        return found
    known = [each.name for each in there]
    raise UsageError(
        f"there is no metric and no fold {name!r}",
        f"{did_you_mean(name or '', known)}ask for one of: {', '.join(known)}{of_yours(settings)}",
    )


def _explained(of: Metric | Fold) -> Iterator[Text | Table | str]:
    """What the docs say of it, for whoever reads it on a terminal."""
    yield Text(f"{of.title} ({of.name})", style="bold")
    if of.description:
        yield Text(of.description)
    told = Table.grid(padding=(0, 2))
    for label, words in told_of(of).items():
        told.add_row(Text(label, style="dim"), Text(words.replace("<br>", "\n").replace("`", "")))
    yield told
    yield ""


def _equals(metric: Metric, where: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What the windows' keys have to be. Raises `UsageError`."""
    found: dict[str, tuple[str, ...]] = {}
    for each in where:
        key, sign, text = each.partition("=")
        if not sign or key not in metric.key_names:
            known = ", ".join(f"{known}=…" for known in metric.key_names)
            raise UsageError(
                f"{metric.name} can't be asked for {each!r}",
                f"{did_you_mean(key, metric.key_names)}give {known}"
                if known
                else "leave it away: it has one row a window",
            )
        found[key] = (*found.get(key, ()), text)
    return found


def _list(settings: Settings, catalog: Sequence[Metric], form: Form) -> None:
    # The catalog is there without data, unless somebody asks for that of certain data.
    if settings.data_dir != Settings.data_dir or settings.store:
        require_store(settings)
    others = _others(settings, [*catalog, *load_folds(settings.catalog)])
    rows = [_described(metric) for metric in catalog]
    result = Result(_CATALOG_COLUMNS, rows, {"not_in_the_catalog": others})
    write(result, form, lambda: _show_catalog(rows, others))


def _others(settings: Settings, catalog: Sequence[Metric | Fold]) -> tuple[str, ...]:
    """The metrics and folds of the store that are not in the catalog, if there is a store."""
    if settings.store_path is not None and not settings.store_path.exists():
        return ()
    with store_of(settings, read_only=True) as store:
        return metrics_left_out(store, catalog)


def _described(metric: Metric) -> dict[str, object]:
    window = duration(metric.window.size_ms)
    if isinstance(metric.window, Calendar):
        window = window_in_words(metric.window)
    if metric.window.overlap > 1:
        window += f" every {duration(metric.window.slide_ms)}"
    return {
        "metric": metric.name,
        "title": metric.title,
        "key": list(metric.key_names),
        "window": window,
        "measures": [measure.name for measure in metric.measures],
    }


def _show_catalog(rows: Sequence[Mapping[str, Any]], others: Sequence[str]) -> None:
    table = listing("metric", "key", "window", "measures")
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(
            Text(row["metric"], "bold"),
            ", ".join(row["key"]) or "–",
            row["window"],
            ", ".join(row["measures"]),
        )
    say(table)
    if others:
        say(Text(left_out_text(others), "yellow"))


def _show_windows(
    metric: Metric, found: Sequence[dict[str, Any]], time: Time, *, goes_on: bool
) -> None:
    if not found:
        say(f"{metric.name} has no windows there, or none yet")
        return
    if isinstance(metric.window, Calendar) and time.tz == Time.tz:
        time = Time(tz=metric.window.zone)
    say(_windows_table(metric, found, time))
    if not all(item[FINAL] for item in found):
        say(Text(f"{_OPEN} may still change", "dim"))
    if any(item.get(PARTIAL) for item in found):
        say(Text(f"{_PARTIAL} not all of its events are in it", "dim"))
    if goes_on:
        say(Text(f"the first {len(found)} are shown; --limit shows more", "dim"))


def _windows_table(metric: Metric, found: Sequence[dict[str, Any]], time: Time) -> Table:
    names = [name for name in found[0] if name not in (*_TIMES, FINAL, PARTIAL)]
    aligned = [f">{name}" if _is_number(found, name) else name for name in names]
    title = metric.title if time.tz == Time.tz else f"{metric.title}, by the time of {time.tz}"
    table = listing("window", *aligned, "", title=title)
    table.columns[0].no_wrap = table.columns[-1].no_wrap = True
    for item in found:
        cells = (Text(measured(item[name], _SHOWN_ITEMS)) for name in names)
        mark = ("" if item[FINAL] else _OPEN) + (_PARTIAL if item.get(PARTIAL) else "")
        table.add_row(_span(time, item), *cells, Text(mark, "dim"))
    if not fits(table):
        for column, name in zip(table.columns[1:-1], names, strict=True):
            column.header = Text(name.replace("_", "\n_"))
    return table


def _span(time: Time, item: Mapping[str, Any]) -> str:
    """From when to when, no longer than it has to be: the days alone where it is whole days."""
    start = time.local(item["window_start"], seconds=True)
    end = time.local(item["window_end"], seconds=True)
    days, clocks = zip(start.split(), end.split(), strict=True)
    first, last = clocks
    if set(clocks) == {"00:00:00"}:
        return days[0] if _is_one_day(*days) else f"{days[0]} – {days[1]}"
    if first.endswith(":00") and last.endswith(":00"):
        first, last = first.removesuffix(":00"), last.removesuffix(":00")
    is_told = days[0] != days[1] and not (last == "00:00" and _is_one_day(*days))
    return f"{days[0]} {first} – {f'{days[1]} ' if is_told else ''}{last}"


def _is_one_day(start: str, end: str) -> bool:
    return date.fromisoformat(start) + timedelta(days=1) == date.fromisoformat(end)


def _is_number(found: Sequence[Mapping[str, object]], name: str) -> bool:
    return any(isinstance(item[name], int | float) for item in found)
