"""The command `anomalies`: what is out of the ordinary, and one of these with what led up to it."""

import importlib.util
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from getpass import getuser
from itertools import islice
from typing import Annotated, Any, Literal, cast

import msgspec
import typer
from msgspec.structs import asdict
from rich.text import Text

from rtcdp.answers.acknowledgements import Seen, acknowledge, withdraw
from rtcdp.answers.anomalies import (
    AnomaliesQuestion,
    Anomaly,
    AnomalyPage,
    anomalies_page,
    anomaly_page,
)
from rtcdp.answers.anomaly_changes import AnomaliesWatch
from rtcdp.answers.events import EventFound
from rtcdp.answers.evidence import events_behind
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import iso_ms
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write, write_csv, write_json
from rtcdp.cli.story_options import WHICH, Time, as_usage
from rtcdp.cli.terminal import end_of, listing, number, remark, say
from rtcdp.clock import SystemClock
from rtcdp.definitions import Direction
from rtcdp.errors import PartMissing, UsageError
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.plain_text import as_text
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.parts import log_reader, metrics_of, require_store, store_of
from rtcdp.runtime.processes.signals import stop_at_signals
from rtcdp.runtime.settings import Settings
from rtcdp.words import count

_DIRECTIONS = ("both", "up", "down")
_ASKED_AS: Mapping[bool | None, Literal["true", "false"] | None]
_ASKED_AS = {None: None, True: "true", False: "false"}
_BAR = 30
_EVENT_FIELDS = ("timestamp", "userId", "eventType", "productId", "pageUrl", "value")
POLL_S = 2.0
TOGETHER = "rtcdp.answers.anomalies_together"
_TOGETHER_FIELDS = ("window_start", "window_end", "rank", "compared", "says", "parts")
_PARTS_SHOWN = 2
"""Where two series don't go together, either may be the one that is off."""
_TOLD = "told"
_STYLES = {"begins": "bold red", "gone": "green"}
_WHAT_WIDTH, _SEEN_WIDTH = 34, 9


def _said(flag: str, metavar: str, meaning: str) -> Any:
    return typer.Option(flag, metavar=metavar, help=meaning, rich_help_panel="Say")


@dataclass(frozen=True)
class Which:
    """Which anomalies are shown."""

    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            metavar="N",
            min=1,
            max=1000,
            help="How many, up to 1,000.",
            rich_help_panel=WHICH,
        ),
    ] = 20

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

    events: Annotated[
        bool,
        typer.Option(
            "--events", help="With ID: the events behind it, one by one.", rich_help_panel=WHICH
        ),
    ] = False
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Go on with what begins, changes and is none any more, of all that are watched.",
            rich_help_panel=WHICH,
        ),
    ] = False
    together: Annotated[
        list[str] | None,
        typer.Option(
            "--together",
            metavar="NAME",
            help="Hold this metric against others, or its keys against each other: "
            "windows in which they don't go together. Give it several times.",
            rich_help_panel=WHICH,
        ),
    ] = None
    acknowledged: Annotated[
        bool | None,
        typer.Option(
            "--acknowledged/--unacknowledged",
            help="Only those that somebody has seen, or that nobody has.",
            rich_help_panel=WHICH,
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.direction not in _DIRECTIONS:
            raise UsageError(f"--direction is {self.direction!r}", "give up or down")


@dataclass(frozen=True)
class Said:
    """What is said of one of them. Raises `UsageError` where that is two things at once."""

    acknowledge: Annotated[
        str | None, _said("--acknowledge", "ID", "Say of this one that it was seen.")
    ] = None
    withdraw: Annotated[str | None, _said("--withdraw", "ID", "Take that back.")] = None
    by: Annotated[str | None, _said("--by", "NAME", "Who has seen it; else whoever you are.")] = (
        None
    )
    note: Annotated[str, _said("--note", "TEXT", "What there is to say about it.")] = ""

    def __post_init__(self) -> None:
        if self.acknowledge is not None and self.withdraw is not None:
            raise UsageError("one is acknowledged or taken back", "give one of the two options")
        if self.acknowledge is None and (self.by is not None or self.note):
            raise UsageError("--by and --note are about one that was seen", "add --acknowledge ID")

    @property
    def seen(self) -> Seen:
        """Who has seen it, with what there is to say. Raises `UsageError`."""
        try:
            return Seen(self.by if self.by is not None else getuser(), self.note)
        except (KeyError, OSError) as error:
            raise UsageError("nobody knows who you are here", "add --by NAME") from error


@with_settings("catalog")
def anomalies(
    settings: Settings,
    anomaly_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="One of them, and what led up to it.")
    ] = None,
    *,
    which: Which,
    said: Said,
    time: Time,
    form: Form,
) -> None:
    """Show what is out of the ordinary in the numbers, and why."""
    if said.acknowledge is not None or said.withdraw is not None:
        _say_of_one(settings, said)
        return
    if which.together:
        _show_together(settings, which, time, form)
        return
    if which.events:
        _show_events(settings, anomaly_id, which.limit, time, form)
        return
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
        acknowledged=_ASKED_AS[which.acknowledged],
        limit=which.limit,
        **time.asked,
    )
    if which.follow:
        _follow(settings, time, form)
        return
    with installation_of(settings) as installation:
        page = anomalies_page(installation, question)
    more = {"as_of": page.as_of, "watched": page.watched, "left_out": page.left_out}
    result = Result(Anomaly.__struct_fields__, [asdict(item) for item in page.items], more)
    write(result, form, lambda: _show(page.items, page.watched, time))
    if page.left_out:
        remark(Text(f"{page.left_out:,} keys with few events are not watched", "yellow"))


def _show_together(settings: Settings, which: Which, time: Time, form: Form) -> None:
    """Windows in which metrics don't go together, which takes a library of its own."""
    if importlib.util.find_spec("river") is None:
        raise PartMissing(
            "--together needs river, which is not installed",
            "run `make full` in the checkout, or `pip install 'rtcdp[multivariate]'`",
        )
    answers, names = deferred(TOGETHER), tuple(which.together or ())
    question = answers.TogetherQuestion(metrics=names, limit=which.limit, **time.asked)
    with installation_of(settings) as installation:
        page = answers.together_page(installation, question)
    more = {"as_of": page.as_of, "series": page.series, "learned_from": page.learned_from}
    rows = [msgspec.to_builtins(item) for item in page.items]

    def show() -> None:
        if not rows:
            say(f"nothing out of the ordinary in {page.series:,} series together")
            return
        table = listing("window", "what", ">observed", ">usual", ">likely", "rarer than")
        for item in page.items:
            rarity = f"1 in {max(1, item.compared // max(1, item.rank)):,}"
            for part in item.parts[:_PARTS_SHOWN]:
                what = f"{part.metric} {', '.join(part.key.values())}".rstrip()
                numbers = (count(part.observed), number(part.usual), number(part.likely))
                table.add_row(time.local(item.window_start), as_text(what), *numbers, rarity)
        say(table)

    write(Result(_TOGETHER_FIELDS, rows, more), form, show)


def _say_of_one(settings: Settings, said: Said) -> None:
    with installation_of(settings) as installation, store_of(settings) as store:
        if said.acknowledge is None:
            withdraw(store, str(said.withdraw))
            say("nobody has acknowledged it any more")
            return
        page = acknowledge(installation, store, said.acknowledge, said.seen)
    seen = page.anomaly.acknowledged
    assert seen is not None, "it was acknowledged just now"
    say(f"{_what(page.anomaly)} at {page.anomaly.window_start}: seen by {as_text(seen.by)}")


def _show_events(
    settings: Settings, anomaly_id: str | None, limit: int, time: Time, form: Form
) -> None:
    """The events that an anomaly is made of, in the order of the log."""
    if anomaly_id is None:
        raise UsageError("--events are those behind one of them", "add its ID")
    with installation_of(settings) as installation, log_reader(settings) as log:
        found = list(islice(events_behind(replace(installation, log=log), anomaly_id), limit + 1))
    rows = [_event_row(each) for each in found[:limit]]
    result = Result(_EVENT_FIELDS, rows)

    def show() -> None:
        some = [name for name in _EVENT_FIELDS[1:] if any(row[name] is not None for row in rows)]
        table = listing("when", *some)
        for row in rows:
            others = ("" if row[name] is None else as_text(row[name]) for name in some)
            table.add_row(time.local(str(row["timestamp"]), seconds=True), *others)
        for column in table.columns:
            column.no_wrap, column.overflow = True, "ellipsis"
        say(table)
        if len(found) > limit:
            say(f"and more: --limit shows more than {limit:,}")

    write(result, form, show)


def _event_row(found: EventFound) -> dict[str, object]:
    event = decode(bytes(found.event))
    assert not isinstance(event, Rejection), "it was admitted"
    sent = msgspec.json.decode(found.event)
    return {name: sent.get(name) for name in _EVENT_FIELDS} | {
        "timestamp": iso_ms(event.timestamp_ms)
    }


def _follow(settings: Settings, time: Time, form: Form) -> None:
    """Tell what stands, then what changes, until a signal comes."""
    stop = threading.Event()
    heard = stop_at_signals(stop)
    if form.csv:
        write_csv((_TOLD, *Anomaly.__struct_fields__), [])
    with installation_of(settings) as installation:
        watch = AnomaliesWatch()
        watch.look(installation)
        assert watch.standing is not None, "it has looked"
        _tell("standing", watch.standing.standing or (), time, form)
        while not stop.wait(POLL_S):
            change = watch.look(installation)
            if change is not None:
                _tell("begins", change.onset, time, form)
                _tell("changed", change.changed, time, form)
                _tell("gone", change.gone, time, form)
    end_of(heard)


def _tell(what: str, items: Sequence[Anomaly], time: Time, form: Form) -> None:
    for item in reversed(items):
        row = {_TOLD: what, **asdict(item)}
        if form.json:
            write_json(row, indent=0)
        elif form.csv:
            write_csv(tuple(row), [row], header=False)
        else:
            style = _STYLES.get(what, "dim")
            window = (time.local(item.window_start), "dim")
            say(Text.assemble(window, "  ", (what, style), f"  {_what(item)}: {item.says}"))


@contextmanager
def installation_of(settings: Settings) -> Iterator[Installation]:
    """What answers are worked out from: the store, which must be there, and the metrics."""
    require_store(settings)
    metrics = metrics_of(settings)
    with store_of(settings, read_only=True) as store, as_usage(settings):
        yield Installation(
            store,
            metrics,
            SystemClock(),
            allowed_lateness_ms=settings.admission.allowed_lateness_ms,
        )


def _show(items: Sequence[Anomaly], watched: int, time: Time) -> None:
    if not items:
        say(f"nothing out of the ordinary in {watched:,} series")
        if not watched and time.asked == Time().asked:
            say("nothing happened in the last 7 days: look further back with --since or --from")
        return
    seen = ["seen"] if any(item.acknowledged for item in items) else []
    table = listing("window", "what", ">observed", ">usual", "rarer than", *seen)
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    table.columns[1].max_width = _WHAT_WIDTH - _SEEN_WIDTH * len(seen)
    for item in items:
        table.add_row(
            time.local(item.window_start),
            _what(item),
            Text(count(item.observed), "bold red" if item.direction == "up" else "bold blue"),
            number(item.expected),
            f"1 in {max(1, item.compared // max(1, item.rank)):,}",
            *("✓" if item.acknowledged else "" for _ in seen),
        )
    say(table, f"one of them: rtcdp anomalies {items[0].id}")


def _what(item: Anomaly) -> str:
    key = ", ".join(item.key.values())
    return f"{item.metric} {key}".rstrip()


def _show_one(page: AnomalyPage, time: Time) -> None:
    item = page.anomaly
    say(Text(f"{_what(item)}, {item.measure}", "bold"), item.says)
    if item.acknowledged is not None:
        seen = item.acknowledged
        said = f": {as_text(seen.note)}" if seen.note else ""
        say(Text(f"seen by {as_text(seen.by)} at {time.local(seen.at)}{said}", "green"))
    say("")
    most = max([item.high, *(point.observed for point in page.series)]) or 1.0
    table = listing("window", ">observed", "", "usual")
    for point in page.series:
        is_it = point.window_start == item.window_start
        band = "" if point.low is None else f"{number(point.low)} to {number(point.high or 0)}"
        bar = "█" * max(0, round(_BAR * point.observed / most))
        table.add_row(
            time.local(point.window_start),
            count(point.observed),
            Text(bar, "red" if is_it else "dim"),
            band,
            style="bold" if is_it else "",
        )
    say(table, f"its events: rtcdp serve, then {item.events_url}")
