"""The command `query`: metrics by any time and by what their keys tell apart."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from rich.text import Text

from rtcdp.answers.export import Form, exported
from rtcdp.answers.intervals import Interval
from rtcdp.answers.query import QueryPage, QueryQuestion, query_page, types_of
from rtcdp.answers.windows import FINAL
from rtcdp.cli import terminal
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import OUTPUT, write_json
from rtcdp.cli.story_options import WHICH, Time, installation_of, remark_on
from rtcdp.cli.terminal import fits, listing, say
from rtcdp.errors import PartMissing, UsageError
from rtcdp.runtime.parts import metrics_of
from rtcdp.runtime.settings import Settings
from rtcdp.words import measured, plural

_FORMS = ("table", "json", *get_args(Form))
_INTERVALS = get_args(Interval)
_SHOWN_ITEMS = 3


@dataclass(frozen=True)
class How:
    """What rows are of. Raises `UsageError` for words that are none."""

    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="KEY", help="A row for each of this key field."),
    ] = None
    interval: Annotated[
        str,
        typer.Option(
            "--interval",
            metavar="|".join(_INTERVALS[1:]),
            help="A row for each of these, of the time zone --tz.",
        ),
    ] = "none"
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="KEY=TEXT",
            help="Only those; several mean any of them.",
            rich_help_panel=WHICH,
        ),
    ] = None
    order_by: Annotated[
        str | None,
        typer.Option(
            "--order-by", metavar="COLUMN", help="What ranks groups; -COLUMN turns it round."
        ),
    ] = None
    limit: Annotated[
        int,
        typer.Option(
            "--limit", metavar="N", min=1, max=10_000, help="So many groups; others are one row."
        ),
    ] = 10
    zeros: Annotated[bool, typer.Option("--zeros", help="A row also where nothing happened.")] = (
        False
    )

    def __post_init__(self) -> None:
        if self.interval not in _INTERVALS:
            raise UsageError(
                f"--interval is {self.interval!r}", f"give one of {', '.join(_INTERVALS)}"
            )

    @property
    def equals(self) -> dict[str, tuple[str, ...]]:
        """What key fields have to be. Raises `UsageError`."""
        found: dict[str, tuple[str, ...]] = {}
        for each in self.where or ():
            name, sign, text = each.partition("=")
            if not sign:
                raise UsageError(f"--where is {each!r}", "give a field and a text: userId=ada")
            found[name] = (*found.get(name, ()), text)
        return found


@dataclass(frozen=True)
class Written:
    """How and where rows are written. Raises `UsageError` for what can't be."""

    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="|".join(_FORMS),
            help="How rows are written.",
            rich_help_panel=OUTPUT,
        ),
    ] = "table"
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write into this file.", rich_help_panel=OUTPUT),
    ] = None

    def __post_init__(self) -> None:
        if self.form not in _FORMS:
            raise UsageError(f"--format is {self.form!r}", f"give one of {', '.join(_FORMS)}")
        if self.out is not None and self.file_form is None:
            raise UsageError(
                f"a file is no {self.form}", f"give --format {', '.join(get_args(Form))}"
            )
        if self.form == "parquet" and self.out is None:
            raise UsageError("Parquet is no text", "give --out FILE")

    @property
    def file_form(self) -> Form | None:
        """The form of a file; None for what is written for people, and for JSON."""
        return cast("Form", self.form) if self.form in get_args(Form) else None


@with_settings("catalog")
def query(
    settings: Settings,
    metrics: Annotated[
        list[str],
        typer.Argument(
            metavar="METRIC", help="Like revenue, revenue.order_count, or a ratio: one/other."
        ),
    ],
    *,
    how: How,
    time: Time,
    written: Written,
) -> None:
    """Show metrics by hour, day, week or month, and by what their keys tell apart."""
    question = QueryQuestion(
        metrics=tuple(metrics),
        equals=how.equals,
        group_by=tuple(how.by or ()),
        interval=cast("Interval", how.interval),
        tz=time.tz,
        order_by=how.order_by,
        limit=how.limit,
        fill="zero" if how.zeros else "none",
        **time.asked,
    )
    catalog = metrics_of(settings)
    with installation_of(settings) as installation:
        page = query_page(replace(installation, metrics=catalog), question)
    if written.file_form is not None:
        content = exported(written.file_form, types_of(page), page.items)
        if written.out is None:
            terminal.out.file.write(content.decode())
            terminal.out.file.flush()
        else:
            _write(written.out, content)
            say(f"{written.out}: {plural(len(page.items), 'row')}")
    elif written.form == "json":
        write_json(page)
    else:
        _show(page, time)
    remark_on(page)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise PartMissing(
            f"{path} can't be written: {error.strerror}",
            "name a file in a directory that exists and that you may write to",
        ) from error


def _show(page: QueryPage, time: Time) -> None:
    asked = f"{time.local(page.start_from)} – {time.local(page.start_to)} {page.tz}"
    if not page.items:
        say(f"nothing was counted in {asked}: look elsewhere with --since, or --from and --to")
        return
    has_time = page.interval != "none"
    names = [column.name for column in page.columns]
    heads = [*([page.interval] if has_time else []), *page.group_by]
    table = listing(*heads, *(f">{name}" for name in names), "", title=asked)
    for item in page.items:
        cells = [_start(page, item, time)] if has_time else []
        is_other = bool(item.get("other"))
        others = f"{page.other_count:,} others"
        for place, name in enumerate(page.group_by):
            cells.append((others if place == 0 else "") if is_other else str(item[name]))
        cells += [measured(item[name], _SHOWN_ITEMS) for name in names]
        table.add_row(*map(Text, cells), Text("" if item[FINAL] else "…", "dim"))
    if not fits(table):
        for column, name in zip(table.columns[len(heads) :], names, strict=False):
            column.header = Text(name.replace(".", ".\n"))
    say(table)
    if not all(item[FINAL] for item in page.items):
        say(Text("… may still change", "dim"))


def _start(page: QueryPage, item: Mapping[str, Any], time: Time) -> str:
    """When a row begins: with its offset where an hour may come twice."""
    local = time.local(item["window_start"])
    if page.interval in ("minute", "hour"):
        offset = "" if page.tz == "UTC" else str(item["local_start"])[-6:]
        return f"{local} {offset}".rstrip()
    return local[:10]
