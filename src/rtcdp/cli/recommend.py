"""The command `recommend`: what goes with a user, a product or a basket, and why."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from rtcdp.answers.product_history import HistoryLimits, ProductHistory
from rtcdp.answers.recommendations import (
    BASKET_MAX,
    Adviser,
    Basket,
    ProductRecommendations,
    RecommendationsPage,
    UserRecommendations,
    for_basket,
    for_product,
    for_user,
)
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.story_options import WHICH, installation_of
from rtcdp.cli.terminal import listing, say
from rtcdp.errors import UsageError
from rtcdp.runtime.settings import Settings

_COLUMNS = ("productId", "score", "source", "because")


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
    form: Form,
) -> None:
    """Show what to recommend to a user, or with a product or a basket, and why."""
    if sum(each is not None for each in (user, whom.product, whom.basket)) != 1:
        raise UsageError(
            "it takes one of a user, --product and --basket",
            "write: rtcdp recommend USER, or rtcdp recommend --product ID",
        )
    with installation_of(settings) as installation:
        limits = HistoryLimits(settings.api.history_days, settings.api.history_sessions)
        page = _asked(Adviser(installation, ProductHistory(limits)), user, whom, limit)
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


def _show(page: RecommendationsPage, days: int) -> None:
    if page.sessions == 0:
        say(f"no session with a product began in the time that is looked at, {days:,} d")
        say(Text("for older ones set api.history_days, or RTCDP_API_HISTORY_DAYS", "dim"))
        return
    if page.based_on:
        say(Text(f"for {', '.join(page.based_on)}", "dim"))
    if not page.items:
        say(f"nothing to recommend in {page.sessions:,} sessions")
        return
    table = listing("product", ">score", "because")
    for column in table.columns[:2]:
        column.no_wrap = True
    for item in page.items:
        why = item.because
        because = f"it is {item.source}"
        if why is not None:
            because = f"{why.sessions:,} of {why.looked_at:,} sessions with {why.item} have it"
        table.add_row(item.productId, f"{item.score:.3f}", because)
    say(table)
