"""The command `generate`: made-up events, to a collector, a file or standard output; or a past."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from rtcdp.cli import terminal
from rtcdp.cli.history import USERS, Place, generate_history, past_until, write_labels_of
from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import end_of, named, number, progress_bar, remark, tell_here
from rtcdp.clock import Clock, SystemClock
from rtcdp.errors import UsageError
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.generating import (
    STANDARD_OUTPUT,
    Traffic,
    collector_address,
    collector_sink,
    file_sink,
)
from rtcdp.runtime.generating import generate as write_events
from rtcdp.runtime.processes.signals import stop_at_signals
from rtcdp.runtime.settings import KEY_VARIABLE, Loaded, Settings
from rtcdp.sources.sender import EVENTS_PATH, PRODUCTS_PATH
from rtcdp.sources.sinks import Sink
from rtcdp.sources.synthetic.dials import Dials
from rtcdp.sources.synthetic.history import Past
from rtcdp.sources.synthetic.live import GeneratorReport
from rtcdp.sources.synthetic.products import product_lines
from rtcdp.words import plural

OUTPUT, HOW_MUCH, DIALS = "Output", "How much", "Dials"

PATIENT_SINK = "rtcdp.runtime.collecting.local_intake:patient_sink"

_OTHER_FORMATS = {".csv", ".tsv", ".parquet", ".avro", ".xlsx", ".zip", ".bz2", ".xz", ".zst"}
_SHARE = "SHARE"
_KAFKA = "kafka://"


@dataclass(frozen=True)
class Destination:
    """Where the events go."""

    to: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send to the collector there, or to a topic: kafka://HOST:PORT/TOPIC. "
            "Without it: HOST and PORT; with --days, the data folder.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write NDJSON to a new file instead, gzip if it ends in .gz; - is standard "
            "output. With an end it is written at once, and not at the rate.",
            rich_help_panel=OUTPUT,
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.to is not None and self.out is not None:
            raise UsageError("events go to a collector or into a file", "give --to or --out")
        if self.out is not None and self.out.suffix.lower() in _OTHER_FORMATS:
            raise UsageError(
                f"--out writes NDJSON, and {self.out.name} says something else",
                f"call it {self.out.stem}.ndjson, or {self.out.stem}.ndjson.gz",
            )

    def where(self, settings: Settings) -> str:
        """The place in words."""
        if self.out is None:
            return self.to or settings.base_url
        return "standard output" if self.out == STANDARD_OUTPUT else str(self.out)

    def sink(
        self, settings: Settings, clock: Clock, stop: threading.Event, path: str = EVENTS_PATH
    ) -> AbstractContextManager[Sink]:
        """What writes there, or sends to a collector's `path`."""
        if self.out is not None:
            return file_sink(self.out)
        if self.to is not None and self.to.startswith(_KAFKA):
            sink: AbstractContextManager[Sink] = deferred(PATIENT_SINK)(
                replace(settings, log=self.to), clock, stop, intake="live"
            )
            return sink
        key = os.environ.get(KEY_VARIABLE)
        address = collector_address(settings, self.to, path, key=key)
        return collector_sink(address, clock, stop, waits_for_ever=True)


@dataclass(frozen=True)
class HowMuch:
    """When it ends, and what makes runs alike."""

    events: Annotated[
        int | None,
        typer.Option(metavar="N", help="End after that many events.", rich_help_panel=HOW_MUCH),
    ] = None
    duration: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="End after that time.", rich_help_panel=HOW_MUCH),
    ] = None
    days: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Make up the past of that many days at once, the last one as far as it has come. "
            "Without --users: of 2,000 shoppers.",
            rich_help_panel=HOW_MUCH,
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="End that past there, and not now: 2026-01-31, or with a time of day.",
            rich_help_panel=HOW_MUCH,
        ),
    ] = None
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Let payments fail in that past, a product trend, and more, and write here what "
            "happened when, for rtcdp evaluate anomalies.",
            rich_help_panel=HOW_MUCH,
        ),
    ] = None
    products: Annotated[
        bool,
        typer.Option(
            "--products",
            help="Send or write the shop's products, as product updates, and no events.",
            rich_help_panel=HOW_MUCH,
        ),
    ] = False
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The same seed makes the same visitors. Without it: others every time.",
            rich_help_panel=HOW_MUCH,
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.until is not None and self.days is None:
            raise UsageError("--until is the end of a past", "say how long it is with --days")
        if self.labels is not None and self.days is None:
            raise UsageError("--labels are of a past", "say how long it is with --days")
        if self.days is not None and self.has_end:
            raise UsageError(
                "a past of some days has an end", "leave out --events and --duration, or --days"
            )

    @property
    def has_end(self) -> bool:
        return self.events is not None or self.duration is not None


def _dial(metavar: str, meaning: str) -> Any:
    return typer.Option(metavar=metavar, help=meaning, rich_help_panel=DIALS, show_default=False)


@dataclass(frozen=True)
class Flaws:
    """What is wrong with the events on purpose: the fields of `Dials` that are no settings."""

    disorder: Annotated[float, _dial("SECONDS", "Set back times, each by up to that much.")] = 0.0
    duplicates: Annotated[float, _dial(_SHARE, "Repeat events: 0.1 is every tenth.")] = 0.0
    late: Annotated[float, _dial(_SHARE, "Make events that come later than is allowed.")] = 0.0
    malformed: Annotated[float, _dial(_SHARE, "Make lines that are no valid events.")] = 0.0
    hot_user: Annotated[float, _dial(_SHARE, "Let one user make that much of it.")] = 0.0
    without_ids: Annotated[float, _dial(_SHARE, "Leave out the event id.")] = 0.0

    @property
    def is_none(self) -> bool:
        return not any(asdict(self).values())

    def dials(self, settings: Settings) -> Dials:
        """Raises `UsageError` for a number out of range."""
        given = asdict(self)
        return Dials(
            disorder_s=given.pop("disorder"),
            allowed_lateness_s=settings.admission.allowed_lateness_ms / 1000,
            **given,
        )


@with_settings(
    *("host", "port", "rate", "users", "log_format"),
    panels={"rate": HOW_MUCH, "users": HOW_MUCH},
)
def generate(loaded: Loaded, *, destination: Destination, how_much: HowMuch, flaws: Flaws) -> None:
    """Make up a shop's visitors, and send or write their events."""
    if how_much.products:
        _generate_products(loaded.settings, destination, how_much)
        return
    if how_much.days is not None:
        if not flaws.is_none:
            raise UsageError("nothing is wrong with a past", "leave out the dials, or --days")
        _generate_past(loaded, destination, how_much, how_much.days)
        return
    settings = loaded.settings
    traffic = Traffic(
        lines=how_much.events,
        duration_s=how_much.duration,
        paced=destination.out is None or not how_much.has_end,
        seed=how_much.seed,
        dials=flaws.dials(settings),
    )
    clock, stop = SystemClock(), threading.Event()
    heard = stop_at_signals(stop)
    tell_here(settings, "generator", clock)
    with _a_reader_may_go():
        report = _run(settings, traffic, destination, clock, stop)
        remark(_summary(report, destination, destination.where(settings)))
        is_cut = report.total is not None and report.counts.lines < report.total
        end_of(heard, is_unfinished=is_cut)


def _generate_past(loaded: Loaded, destination: Destination, how_much: HowMuch, days: int) -> None:
    clock, stop = SystemClock(), threading.Event()
    heard = stop_at_signals(stop)
    settings = loaded.settings
    tell_here(settings, "generator", clock)
    past = Past(
        days=days,
        users=settings.users if "users" in loaded.origins else USERS,
        seed=clock.now_ms() if how_much.seed is None else how_much.seed,
        until_ms=past_until(how_much.until, clock),
        incidents=how_much.labels is not None,
    )
    place = Place(destination.to, destination.out)
    if how_much.labels is not None:
        write_labels_of(past, how_much.labels)
    with _a_reader_may_go():
        report = generate_history(settings, past, place, clock, stop)
        end_of(heard, is_unfinished=not report.is_done)


@contextmanager
def _a_reader_may_go() -> Iterator[None]:
    """Whoever reads standard output may stop reading."""
    try:
        yield
    except BrokenPipeError:
        # What is left in the buffer would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(
    settings: Settings,
    traffic: Traffic,
    destination: Destination,
    clock: Clock,
    stop: threading.Event,
) -> GeneratorReport:
    total = traffic.schedule(settings.rate).total
    verb = "sends" if destination.out is None else "writes"
    if traffic.paced:
        what = f"{verb} {settings.rate:g} events per second to {destination.where(settings)}"
        remark(named(what + (" (Ctrl-C stops it)" if total is None else "")))
    is_in_the_way = destination.out == STANDARD_OUTPUT and terminal.out.is_terminal
    with (
        destination.sink(settings, clock, stop) as sink,
        progress_bar(shown=total is not None and not is_in_the_way) as bar,
    ):
        task = bar.add_task("events", total=total)
        return write_events(
            settings,
            traffic,
            sink,
            clock,
            stop,
            lambda report: bar.update(task, completed=report.counts.lines),
        )


def _generate_products(settings: Settings, destination: Destination, how_much: HowMuch) -> None:
    if how_much != HowMuch(products=True):
        raise UsageError(
            "the shop has the products that it has", "give --products alone, with --to or --out"
        )
    if destination.to is not None and destination.to.startswith(_KAFKA):
        raise UsageError(
            "product updates go in through a collector", "give its address with --to http://…"
        )
    clock, stop, lines = SystemClock(), threading.Event(), product_lines()
    heard = stop_at_signals(stop)
    with destination.sink(settings, clock, stop, PRODUCTS_PATH) as sink:
        receipt = sink.write(lines)
    where = destination.where(settings)
    remark(named(f"{receipt.accepted:,} of {len(lines):,} product updates went to {where}"))
    end_of(heard, is_unfinished=stop.is_set())


def _summary(report: GeneratorReport, destination: Destination, where: str) -> str:
    counts, receipt = report.counts, report.receipt
    kinds = {
        "good": counts.fresh,
        "duplicate": counts.duplicate,
        "late": counts.late,
        "malformed": counts.malformed,
    }
    made = ", ".join(f"{number(count)} {kind}" for kind, count in kinds.items() if count)
    text = f"made {plural(counts.lines, 'event')}" + (f" ({made})" if made else "")
    if destination.out is not None:
        return f"{text}, written to {where}"
    text += (
        f"; sent {number(receipt.sent)} to {where}: {number(receipt.accepted)} accepted, "
        f"{plural(receipt.duplicates, 'duplicate')}, {number(receipt.rejected)} rejected"
    )
    return text + (f", {number(receipt.unconfirmed)} unanswered" if receipt.unconfirmed else "")
