"""The commands `sessions` and `user`: visits, day by day or one by one, and one user's story."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import typer
from msgspec.structs import asdict
from rich.table import Table
from rich.text import Text

from rtcdp.answers.folds import SESSIONS
from rtcdp.answers.session_days import SessionDaysQuestion, session_days
from rtcdp.answers.sessions import SessionsQuestion, sessions_page
from rtcdp.answers.users import FunnelPosition, UserPage, UserQuestion, user_page
from rtcdp.cli.options import HowMany, with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.story_options import WHICH, Time, installation_of, percent, remark_on
from rtcdp.cli.terminal import duration, listing, number, say
from rtcdp.errors import UsageError
from rtcdp.runtime.settings import Settings
from rtcdp.words import cents

_STATES = ("open", "final")
_USER_WIDTH, _PAGE_WIDTH = 12, 14

State = Literal["open", "final"]


@dataclass(frozen=True)
class Which:
    """Which sessions are shown."""

    user: Annotated[
        str | None,
        typer.Option("--user", metavar="ID", help="Only this user's.", rich_help_panel=WHICH),
    ] = None
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="open|final", help="Only these.", rich_help_panel=WHICH),
    ] = None
    fold: Annotated[
        str,
        typer.Option(
            "--fold",
            metavar="NAME",
            help="Which sessions, if there are several kinds.",
            rich_help_panel=WHICH,
        ),
    ] = SESSIONS

    def __post_init__(self) -> None:
        if self.state not in (None, *_STATES):
            raise UsageError(f"--state is {self.state!r}", "give open or final")


@with_settings("catalog", "folds")
def sessions(
    settings: Settings,
    *,
    days: Annotated[
        bool, typer.Option("--days", help="Add them up by the day that they began on.")
    ] = False,
    limit: HowMany = 20,
    which: Which,
    time: Time,
    form: Form,
) -> None:
    """Show the visits of users: the newest of them, or what they come to day by day."""
    if days:
        if which.user is not None or which.state is not None:
            raise UsageError(
                "--days adds all sessions up", "leave --user and --state away, or leave --days away"
            )
        _days(settings, which.fold, limit, time, form)
        return
    question = SessionsQuestion(
        fold=which.fold,
        equals={} if which.user is None else {_key(settings, which.fold): (which.user,)},
        state=cast("State | None", which.state),
        limit=limit,
        **time.asked,
    )
    with installation_of(settings) as installation:
        page = sessions_page(installation, question)
    columns = tuple(page.items[0]) if page.items else ("id",)
    more = {"as_of": page.as_of, "complete_from": page.complete_from}
    table = session_table(page.items, time)
    write(
        Result(columns, page.items, more),
        form,
        lambda: say(table if page.items else "no sessions"),
    )
    remark_on(page)


def session_table(items: Sequence[Mapping[str, Any]], time: Time, *, whose: bool = True) -> Table:
    """Sessions in 80 columns."""
    users = ("user",) if whose else ()
    table = listing("began", *users, ">lasted", ">views", ">value", "entry page", "")
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    if whose:
        table.columns[1].max_width = _USER_WIDTH
    table.columns[-2].max_width = _PAGE_WIDTH if whose else _PAGE_WIDTH + _USER_WIDTH
    for item in items:
        user = (str(_whose(item)),) if whose else ()
        table.add_row(
            time.local(item["session_start"]),
            *user,
            duration(item["duration_ms"]) if item["duration_ms"] else "",
            f"{item['page_view_count']:,}",
            cents(item["value"]) if item["value"] else "",
            item["entry_page"] or "",
            _mark(item),
        )
    return table


def _whose(item: Mapping[str, Any]) -> object:
    """The value of the key, which comes after the id."""
    return list(item.values())[1]


def _mark(item: Mapping[str, Any]) -> Text:
    """What is to be said of a session in one word."""
    if item["open"]:
        return Text("open", "cyan")
    if item["converted"]:
        return Text("bought", "green")
    return Text("bounce", "dim") if item["bounce"] else Text("")


def _key(settings: Settings, name: str) -> str:
    """The field that sessions are told by."""
    with installation_of(settings) as installation:
        return next((fold.key for fold in installation.folds if fold.name == name), "userId")


def _days(settings: Settings, fold: str, limit: int, time: Time, form: Form) -> None:
    question = SessionDaysQuestion(fold=fold, tz=time.tz, limit=limit, **time.asked)
    with installation_of(settings) as installation:
        page = session_days(installation, question)
    rows = [_plain(asdict(item)) for item in page.items]
    total = None if page.total is None else _plain(asdict(page.total))
    columns = tuple(rows[0]) if rows else ("day",)
    more = {"tz": page.tz, "total": total, "as_of": page.as_of}
    write(
        Result(columns, rows, more),
        form,
        lambda: say(_days_table(rows, total) if rows else "no sessions"),
    )
    remark_on(page)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not set."""
    return {name: value for name, value in row.items() if isinstance(value, str | int | float)}


def _days_table(rows: Sequence[Mapping[str, Any]], total: Mapping[str, Any] | None) -> Table:
    table = listing(
        "day", ">sessions", ">bounce", ">engaged", ">bought", ">mean", ">median", ">value"
    )
    table.columns[0].no_wrap = True
    every = [*rows, *([] if total is None or len(rows) == 1 else [{**total, "day": "all"}])]
    for row in every:
        style = "bold" if row["day"] == "all" else ""
        cells = (
            row["day"],
            number(row["session_count"]),
            percent(row["bounce_rate"]),
            percent(row["engaged_rate"]),
            percent(row["conversion"]),
            duration(row["mean_duration_ms"]),
            duration(row["median_duration_ms"]),
            cents(row["value"]) if row["value"] else "",
        )
        table.add_row(*(Text(cell, style) for cell in cells))
    return table


@with_settings("catalog", "folds")
def user(
    settings: Settings,
    user_id: Annotated[str, typer.Argument(metavar="ID", help="The user, by userId.")],
    *,
    limit: HowMany = 20,
    tz: Annotated[
        str, typer.Option("--tz", metavar="ZONE", help="The time zone of times.")
    ] = "UTC",
    form: Form,
) -> None:
    """Show one user: how far they came, their sessions, and what happened to them."""
    time = Time(tz=tz)
    with installation_of(settings) as installation:
        page = user_page(installation, user_id, UserQuestion(limit=limit))
    columns = tuple(dict.fromkeys(name for item in page.items for name in item))
    more = {
        "userId": page.userId,
        "sessions": page.sessions,
        "funnels": page.funnels,
        "not_told": page.not_told,
    }
    write(Result(columns, page.items, more), form, lambda: _show_user(page, time))


def _show_user(page: UserPage, time: Time) -> None:
    say(Text(page.userId, "bold"))
    for position in page.funnels:
        say(_position(position, time))
    for sessions_of in page.sessions:
        count = f"{sessions_of.title}: {number(sessions_of.count)}"
        more = sessions_of.count - len(sessions_of.items)
        say("", Text(f"{count}, the newest {len(sessions_of.items)}" if more else count, "bold"))
        say(session_table(sessions_of.items, time, whose=False))
    say(Text("Events", "bold"))
    table = listing("when", "what", "about", ">value")
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for event in page.items:
        value = event.get("value")
        table.add_row(
            time.local(event["timestamp"], seconds=True),
            event.get("eventType", ""),
            _about(event),
            "" if value is None else cents(value),
        )
    say(table)
    if page.not_told:
        say(Text(f"{page.not_told:,} more happened than the story has room for", "yellow"))


def _about(event: Mapping[str, Any]) -> str:
    """The page and the product, which is not said again where the page ends with it."""
    page, product = event.get("pageUrl") or "", event.get("productId") or ""
    return page if product and page.endswith(f"/{product}") else f"{page} {product}".strip()


def _position(position: FunnelPosition, time: Time) -> Text:
    """view ● cart ● purchase ○, with when the last step was."""
    steps = [
        f"{name} {'●' if number <= position.depth else '○'}"
        for number, name in enumerate(position.steps, 1)
    ]
    when = time.local(position.row.get(f"at_{position.depth}"))
    style = "green" if position.converted else ""
    return Text.assemble((f"{position.title}: ", "dim"), (" ".join(steps), style), f"  {when}")
