"""The command `replay`: recorded events, fed in again."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import balance, end_of, err, number, progress_bar, remark, say, tell_here
from rtcdp.clock import Clock, SystemClock
from rtcdp.errors import UsageError
from rtcdp.log.contract import DEFAULT_SOURCE
from rtcdp.log.limits import SOURCE_NAME
from rtcdp.runtime.collecting.local_intake import local_product_sink, local_sink
from rtcdp.runtime.generating import collector_address, collector_sink
from rtcdp.runtime.processes.locks import AlreadyRunning, running_url
from rtcdp.runtime.processes.signals import stop_at_signals
from rtcdp.runtime.processing import processor_of
from rtcdp.runtime.settings import KEY_VARIABLE, Settings
from rtcdp.runtime.watching import Sample, watcher_of
from rtcdp.sources.recorded.mapping import built_in_mappings, load_mapping
from rtcdp.sources.recorded.plain_lines import check_readable, send_lines
from rtcdp.sources.recorded.replay import (
    Replay,
    ReplayPlan,
    ReplayReport,
    check_files,
    parse_speed,
)
from rtcdp.sources.sender import IMPORT_PATH, PRODUCTS_PATH, CollectorAddress
from rtcdp.sources.sinks import Sink
from rtcdp.words import plural

EVENTS, PRODUCTS = "events", "products"

_POLL_S = 0.2
_SHOWN_REASONS = 5
_MAPPINGS = ", ".join(built_in_mappings())


@dataclass(frozen=True)
class HowToReplay:
    """The options of the command."""

    mapping: Annotated[
        str, typer.Option("--mapping", metavar="NAME", help=f"{_MAPPINGS}, or a TOML file.")
    ] = "events"
    speed: Annotated[
        str, typer.Option("--speed", metavar="NX", help="max, or like 60x: as fast as recorded.")
    ] = "max"
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move all times, so that the last one is now.")
    ] = False
    again: Annotated[
        bool, typer.Option("--again", help="Feed in what was imported before, too.")
    ] = False
    to: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="Send to the collector there.")
    ] = None
    stream: Annotated[
        str,
        typer.Option(
            "--stream",
            metavar="events|products",
            help="What the files hold: product updates go as they are.",
        ),
    ] = EVENTS
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="The name in the ledger.")
    ] = DEFAULT_SOURCE

    @property
    def is_of_products(self) -> bool:
        """Whether it is about product updates. Raises `UsageError` for what goes only with
        events."""
        if self.stream == EVENTS:
            return False
        if self.stream != PRODUCTS:
            raise UsageError(
                f"there is no stream {self.stream!r}", f"give --stream {EVENTS} or {PRODUCTS}"
            )
        ways = (self.mapping, self.speed, self.shift_to_now, self.again)
        if ways != (EVENTS, "max", False, False):
            raise UsageError(
                "product updates are sent as they are, and at once",
                "leave out --mapping, --speed, --shift-to-now and --again",
            )
        return True


@with_settings("engine", "catalog", "folds", "log_format")
def replay(
    settings: Settings,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Recorded files, plain, gzip or zstd.")
    ],
    *,
    how: HowToReplay,
) -> None:
    """Feed recorded events in: into the data folder, or to a running collector."""
    if not SOURCE_NAME.fullmatch(how.source):
        raise UsageError(
            f"{how.source!r} is no name of a source",
            f"name the source like shop-eu: {SOURCE_NAME.pattern}",
        )
    if how.is_of_products:
        _replay_products(settings, files, how)
        return
    plan = ReplayPlan(
        tuple(files), load_mapping(how.mapping), parse_speed(how.speed), how.shift_to_now, how.again
    )
    # Before a data folder is made for them.
    for doubt in check_files(plan):
        remark(Text(doubt, "yellow"))
    clock, stop = SystemClock(), threading.Event()
    heard = stop_at_signals(stop)
    tell_here(settings, "replay", clock)
    url = how.to or running_url(settings)
    if url is not None:
        address = _address(settings, how, url, IMPORT_PATH)
        with collector_sink(address, clock, stop) as sink:
            report = _feed(plan, sink, clock, stop)
        _say_read(report)
        _say_sent(report, url)
    else:
        before = _sample(settings, clock).totals
        with local_sink(settings, clock, how.source) as own:
            report = _feed(plan, own, clock, stop)
        _process(settings, clock, stop)
        after = _sample(settings, clock)
        _say_read(report)
        say(balance({name: now - before.get(name, 0) for name, now in after.totals.items()}))
    if stop.is_set():
        say(Text("stopped early: the files may hold more", "yellow"))
        if url is None and after.pending:
            _say_pending(after.pending)
    end_of(heard, is_unfinished=stop.is_set())
    if report.damage:
        raise typer.Exit(1)


def _replay_products(settings: Settings, files: list[Path], how: HowToReplay) -> None:
    check_readable(files)
    clock, stop = SystemClock(), threading.Event()
    heard = stop_at_signals(stop)
    tell_here(settings, "replay", clock)
    url = how.to or running_url(settings)
    if url is not None:
        address = _address(settings, how, url, PRODUCTS_PATH)
        with collector_sink(address, clock, stop) as sink:
            sent = send_lines(files, sink, stop.wait)
    else:
        with local_product_sink(settings, clock, how.source) as own:
            sent = send_lines(files, own, stop.wait)
        _process(settings, clock, stop)
    receipt = sent.receipt
    say(
        f"read {number(sent.records)} product updates: {receipt.accepted:,} taken, "
        f"{receipt.rejected:,} refused (rtcdp keeps them, with the reasons)"
        + (f", {receipt.unconfirmed:,} without an answer" if receipt.unconfirmed else "")
    )
    for damage in sent.damage:
        say(Text(damage, "yellow"))
    end_of(heard, is_unfinished=stop.is_set())
    if sent.damage:
        raise typer.Exit(1)


def _feed(plan: ReplayPlan, sink: Sink, clock: Clock, stop: threading.Event) -> ReplayReport:
    with progress_bar(counted=False) as bar:
        task = bar.add_task("reading", total=None)
        began_s = clock.monotonic()

        def show(report: ReplayReport) -> None:
            rate = report.records / max(clock.monotonic() - began_s, 0.001)
            bar.update(
                task,
                description=f"{report.phase}: {report.records:,} records, {number(round(rate))}/s",
                total=report.total_bytes,
                completed=report.bytes_read,
            )

        return Replay(plan, sink, clock).run(stop.wait, show)


def _process(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    """Fold what was fed; if another processor does that, wait for it."""
    try:
        with processor_of(settings, clock) as processor, _caught_up_bar(settings, clock) as show:
            processor.listeners = replace(
                processor.listeners, on_epoch=lambda report: show(sum(report.next_offsets.values()))
            )
            processor.run(stop, once=True)
    except AlreadyRunning as running:
        err.print(f"process {running.holder.pid} counts them; waiting for it", style="dim")
        with watcher_of(settings, clock) as watcher:
            while watcher.sample().pending and not stop.wait(_POLL_S):
                pass


@contextmanager
def _caught_up_bar(settings: Settings, clock: Clock) -> Iterator[Callable[[int], None]]:
    with watcher_of(settings, clock) as watcher, progress_bar() as bar:
        task = bar.add_task("counting", total=watcher.sample().logged)
        yield lambda next_offset: bar.update(task, completed=next_offset)


def _sample(settings: Settings, clock: Clock) -> Sample:
    with watcher_of(settings, clock) as watcher:
        return watcher.sample()


def _address(settings: Settings, how: HowToReplay, url: str, path: str) -> CollectorAddress:
    key = os.environ.get(KEY_VARIABLE)
    return collector_address(settings, how.to, path, how.source, key, own_url=url)


def _say_pending(count: int) -> None:
    are, them = ("is", "it") if count == 1 else ("are", "them")
    in_log = f"{plural(count, 'record')} in the log {are} not counted yet"
    say(f"{in_log}: rtcdp process --once counts {them}")


def _say_sent(report: ReplayReport, url: str) -> None:
    receipt = report.receipt
    say(
        f"sent {number(receipt.sent)} to {url}: {receipt.accepted:,} taken, "
        f"{receipt.rejected:,} kept as dead letters"
        + (f", {receipt.duplicates:,} known already" if receipt.duplicates else "")
        + (f", {receipt.unconfirmed:,} without an answer" if receipt.unconfirmed else "")
    )


def _say_read(report: ReplayReport) -> None:
    blank = f", {report.blank:,} blank" if report.blank else ""
    read = plural(report.records, "record")
    say(f"read {read}: {plural(report.events, 'event')}, {plural(report.raw, 'other')}{blank}")
    if report.known:
        was, are = ("was", "is") if report.known == 1 else ("were", "are")
        known = f"{plural(report.known, 'line')} {was} imported before"
        say(f"{known} and {are} not sent again (--again does that)")
    for reason in report.reasons[:_SHOWN_REASONS]:
        say(Text(f"  {reason.count:,} × {reason.first}", "yellow"))
    for damage in report.damage:
        say(Text(damage, "yellow"))
