"""The command `recommend`: what goes with a user, a product or a basket, and why; and what came of
it."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from rtcdp.answers.product_history import HistoryLimits, ProductHistory
from rtcdp.answers.recommendation_outcomes import (
    Outcomes,
    OutcomesPage,
    OutcomesQuestion,
    outcomes_page,
)
from rtcdp.answers.recommendations import (
    BASKET_MAX,
    Adviser,
    Basket,
    HoldOut,
    ProductRecommendations,
    RecommendationsPage,
    UserRecommendations,
    for_basket,
    for_product,
    for_user,
)
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.story_options import (
    WHICH,
    Time,
    installation_of,
    percent,
    remark_on,
    remark_on_counting,
)
from rtcdp.cli.terminal import listing, number, say
from rtcdp.errors import UsageError
from rtcdp.runtime.settings import Settings
from rtcdp.words import cents

_COLUMNS = ("productId", "score", "source", "because")
_OUTCOMES = tuple(each.name for each in msgspec.structs.fields(Outcomes))


@dataclass(frozen=True)
class Whom:
    """What is recommended to, and what not."""

    product: Annotated[
        str | None,
        typer.Option(
            "--product", metavar="ID", help="What goes with this one.", rich_help_panel=WHICH
        ),
    ] = None
    basket: Annotated[
        str | None,
        typer.Option(
            "--basket",
            metavar="ID,ID",
            help="What goes with these, in order.",
            rich_help_panel=WHICH,
        ),
    ] = None
    exclude: Annotated[
        str | None,
        typer.Option(
            "--exclude",
            metavar="LIST",
            help="Product ids; of a user also bought, cart, seen, or none instead of bought.",
            rich_help_panel=WHICH,
        ),
    ] = None
    outcomes: Annotated[
        bool,
        typer.Option(
            "--outcomes", help="What came of recommendations instead.", rich_help_panel=WHICH
        ),
    ] = False
    diversity: Annotated[
        int,
        typer.Option(
            "--diversity",
            metavar="PERCENT",
            min=0,
            max=100,
            help="How different from each other.",
            rich_help_panel=WHICH,
        ),
    ] = 0


@with_settings("catalog", "folds")
def recommend(
    settings: Settings,
    user: Annotated[
        str | None, typer.Argument(metavar="USER", help="Whom to recommend something to.")
    ] = None,
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=100, help="How many, up to 100.")
    ] = 10,
    whom: Whom,
    time: Time,
    form: Form,
) -> None:
    """Show what to recommend to a user, or with a product or a basket, and why."""
    asked = (user, whom.product, whom.basket, whom.outcomes or None)
    if sum(each is not None for each in asked) != 1:
        raise UsageError(
            "it takes one of a user, --product, --basket and --outcomes",
            "write: rtcdp recommend USER, or rtcdp recommend --product ID",
        )
    if whom.outcomes:
        with installation_of(settings) as installation:
            found = outcomes_page(installation, OutcomesQuestion(**time.asked, by="kind"))
        _write_outcomes(found, form)
        return
    if time != Time():
        raise UsageError("--since, --from and --to are of outcomes", "give --outcomes with them")
    with installation_of(settings) as installation:
        limits = HistoryLimits(settings.api.history_days, settings.api.history_sessions)
        hold_out = HoldOut(settings.api.held_out_percent, settings.api.held_out_get_nothing)
        page = _asked(Adviser(installation, ProductHistory(limits), hold_out), user, whom, limit)
    rows = [{"because": None} | msgspec.to_builtins(item) for item in page.items]
    more = {
        name: value for name, value in msgspec.to_builtins(page).items() if name not in ("items",)
    }
    write(Result(_COLUMNS, rows, more), form, lambda: _show(page, limits.days))


def _asked(adviser: Adviser, user: str | None, whom: Whom, limit: int) -> RecommendationsPage:
    exclude = () if whom.exclude is None else (whom.exclude,)
    if user is not None:
        own = UserRecommendations(
            limit=limit, exclude=exclude or ("bought",), diversity=whom.diversity
        )
        return for_user(adviser, user, own)
    if whom.product is not None:
        question = ProductRecommendations(limit=limit, exclude=exclude, diversity=whom.diversity)
        return for_product(adviser, whom.product, question)
    items = [item for item in (whom.basket or "").split(",") if item]
    if not 0 < len(items) <= BASKET_MAX:
        raise UsageError("the basket is empty, or too full", f"name 1 to {BASKET_MAX} products")
    left_out = [item for text in exclude for item in text.split(",") if item]
    basket = Basket(items=items, limit=limit, exclude=left_out, diversity=whom.diversity)
    return for_basket(adviser, basket)


def _write_outcomes(page: OutcomesPage, form: Form) -> None:
    rows = [msgspec.to_builtins(item) for item in page.items]
    more = {name: value for name, value in msgspec.to_builtins(page).items() if name != "items"}
    write(Result(_OUTCOMES, rows, more), form, lambda: _show_outcomes(page))


def _show_outcomes(page: OutcomesPage) -> None:
    remark_on(page)
    if not page.items:
        say("no event names a recommendation in this time")
        return
    table = listing("for", ">given", ">clicked", ">bought", ">revenue", ">after", ">after/user")
    for item in page.items:
        table.add_row(
            f"{item.kind}, {item.audience.replace('_', ' ')}",
            number(item.recommendations),
            f"{number(item.clicked)} ({percent(item.click_through)})",
            number(item.bought),
            cents(item.revenue),
            cents(item.revenue_after),
            cents(item.revenue_after_per_user),
        )
    say(table)


def _show(page: RecommendationsPage, days: int) -> None:
    remark_on_counting(page)
    if page.sessions == 0:
        say(f"no session with a product began in the time that is looked at, {days:,} d")
        say(Text("for older ones set api.history_days, or RTCDP_API_HISTORY_DAYS", "dim"))
        return
    if page.based_on:
        of = ", ".join(page.based_on)
        is_told = any(item.source == "sessions" for item in page.items)
        nothing = f"no session says what goes with {of}: this is for everybody"
        say(Text(f"for {of}" if is_told or not page.items else nothing, "dim"))
    if not page.items:
        say(f"nothing to recommend in {page.sessions:,} sessions")
        return
    table = listing("product", ">score", "because")
    for column in table.columns[:2]:
        column.no_wrap = True
    for item in page.items:
        why = item.because
        because = "looked at before" if item.source == "sessions" else f"it is {item.source}"
        if why is not None:
            because = f"{why.sessions:,} of {why.looked_at:,} sessions with {why.item} have it"
        table.add_row(item.productId, f"{item.score:.3f}", because)
    say(table)
