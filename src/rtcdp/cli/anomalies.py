"""The command `anomalies`: what is out of the ordinary, and one of these with what led up to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, cast

import typer
from msgspec.structs import asdict
from rich.text import Text

from rtcdp.answers.anomalies import (
    AnomaliesQuestion,
    Anomaly,
    AnomalyPage,
    anomalies_page,
    anomaly_page,
)
from rtcdp.answers.freshness import Installation
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.story_options import WHICH, Time, as_usage
from rtcdp.cli.terminal import listing, number, remark, say
from rtcdp.clock import SystemClock
from rtcdp.definitions import Direction
from rtcdp.errors import UsageError
from rtcdp.runtime.parts import metrics_of, require_store, store_of
from rtcdp.runtime.settings import Settings

_DIRECTIONS = ("both", "up", "down")
_BAR = 30
_WHAT_WIDTH = 34


@dataclass(frozen=True)
class Which:
    """Which anomalies are shown."""

    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Of this metric; without it, of all that are watched.",
            rich_help_panel=WHICH,
        ),
    ] = None
    direction: Annotated[
        str,
        typer.Option(
            "--direction", metavar="up|down", help="Only rises or drops.", rich_help_panel=WHICH
        ),
    ] = "both"

    def __post_init__(self) -> None:
        if self.direction not in _DIRECTIONS:
            raise UsageError(f"--direction is {self.direction!r}", "give up or down")


@with_settings("catalog")
def anomalies(
    settings: Settings,
    anomaly_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="One of them, and what led up to it.")
    ] = None,
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=1000, help="How many, up to 1,000.")
    ] = 20,
    which: Which,
    time: Time,
    form: Form,
) -> None:
    """Show what is out of the ordinary in the numbers, and why."""
    if anomaly_id is not None:
        with installation_of(settings) as installation:
            one = anomaly_page(installation, anomaly_id)
        rows = [asdict(point) for point in one.series]
        result = Result(tuple(rows[0]), rows, {"anomaly": asdict(one.anomaly)})
        write(result, form, lambda: _show_one(one, time))
        return
    question = AnomaliesQuestion(
        metric=which.metric,
        direction=cast("Direction", which.direction),
        limit=limit,
        **time.asked,
    )
    with installation_of(settings) as installation:
        page = anomalies_page(installation, question)
    more = {"as_of": page.as_of, "watched": page.watched, "left_out": page.left_out}
    result = Result(Anomaly.__struct_fields__, [asdict(item) for item in page.items], more)
    write(result, form, lambda: _show(page.items, page.watched, time))
    if page.left_out:
        remark(Text(f"{page.left_out:,} keys with few events are not watched", "yellow"))


@contextmanager
def installation_of(settings: Settings) -> Iterator[Installation]:
    """What answers are worked out from: the store, which must be there, and the metrics."""
    require_store(settings)
    metrics = metrics_of(settings)
    with store_of(settings, read_only=True) as store, as_usage():
        yield Installation(
            store,
            metrics,
            SystemClock(),
            allowed_lateness_ms=settings.admission.allowed_lateness_ms,
        )


def _show(items: Sequence[Anomaly], watched: int, time: Time) -> None:
    if not items:
        say(f"nothing out of the ordinary in {watched:,} series")
        return
    table = listing("window", "what", ">observed", ">usual", "rarer than")
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    table.columns[1].max_width = _WHAT_WIDTH
    for item in items:
        table.add_row(
            time.local(item.window_start),
            _what(item),
            Text(number(item.observed), "bold red" if item.direction == "up" else "bold blue"),
            number(item.expected),
            f"1 in {max(1, item.compared // max(1, item.rank)):,}",
        )
    say(table, f"one of them: rtcdp anomalies {items[0].id}")


def _what(item: Anomaly) -> str:
    key = ", ".join(item.key.values())
    return f"{item.metric} {key}".rstrip()


def _show_one(page: AnomalyPage, time: Time) -> None:
    item = page.anomaly
    say(Text(f"{_what(item)}, {item.measure}", "bold"), item.says, "")
    most = max([item.high, *(point.observed for point in page.series)]) or 1.0
    table = listing("window", ">observed", "", "usual")
    for point in page.series:
        is_it = point.window_start == item.window_start
        band = "" if point.low is None else f"{number(point.low)} to {number(point.high or 0)}"
        bar = "█" * max(0, round(_BAR * point.observed / most))
        table.add_row(
            time.local(point.window_start),
            number(point.observed),
            Text(bar, "red" if is_it else "dim"),
            band,
            style="bold" if is_it else "",
        )
    say(table, f"its events: rtcdp serve, then {item.events_url}")
