"""What `generate --days` does: a shop's past at once, into the data folder or to a collector."""

import os
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from rtcdp.anomalies import write_labels
from rtcdp.cli.terminal import moment, number, progress_bar, remark
from rtcdp.clock import Clock
from rtcdp.errors import PartMissing, UsageError
from rtcdp.events.codec import parse_timestamp_ms
from rtcdp.private_files import open_private_file
from rtcdp.runtime.collecting.local_intake import patient_sink
from rtcdp.runtime.generating import (
    STANDARD_OUTPUT,
    collector_address,
    collector_sink,
    file_sink,
)
from rtcdp.runtime.processes.locks import running_url
from rtcdp.runtime.settings import KEY_VARIABLE, Settings
from rtcdp.sources.sender import IMPORT_PATH
from rtcdp.sources.sinks import Sink
from rtcdp.sources.synthetic.history import History, HistoryReport, Past, write_history

USERS = 2_000
"""Shoppers of a history where nobody says how many."""

_KAFKA = "kafka://"


@dataclass(frozen=True)
class Place:
    """Where a history goes: a file, a collector or topic, or the log of the data folder (through
    the collector that runs there, if one does)."""

    to: str | None
    out: Path | None

    def url(self, settings: Settings) -> str | None:
        """The collector's address, if one is asked to take it."""
        if self.out is not None or (self.to or "").startswith(_KAFKA):
            return None
        return self.to or running_url(settings)

    def in_words(self, settings: Settings) -> str:
        if self.out is not None:
            return "standard output" if self.out == STANDARD_OUTPUT else str(self.out)
        return self.to or self.url(settings) or settings.log_url

    def sink(
        self, settings: Settings, clock: Clock, stop: threading.Event
    ) -> AbstractContextManager[Sink]:
        """What takes lines there, as history that is never late."""
        if self.out is not None:
            return file_sink(self.out)
        url = self.url(settings)
        if url is not None:
            key = os.environ.get(KEY_VARIABLE)
            address = collector_address(settings, self.to, IMPORT_PATH, key=key, own_url=url)
            return collector_sink(address, clock, stop)
        there = settings if self.to is None else replace(settings, log=self.to)
        return patient_sink(there, clock, stop, intake="import")


def past_until(until: str | None, clock: Clock) -> int:
    """When a history ends (UTC ms): the time that is given, or now.

    Raises `UsageError` for what is no time, and for one to come.
    """
    now_ms = clock.now_ms()
    if until is None:
        return now_ms
    is_date = until.count("-") == 2 and len(until) == len("2026-01-31")
    try:
        until_ms = parse_timestamp_ms(f"{until}T00:00:00Z" if is_date else until)
    except (msgspec.ValidationError, OverflowError) as error:
        raise UsageError(
            f"{until!r} is no time", "give one like 2026-01-31 or 2026-01-31T09:30:00Z"
        ) from error
    if until_ms > now_ms:
        raise UsageError(f"{until} is still to come", "give a time that has been")
    return until_ms


def write_labels_of(past: Past, path: Path) -> None:
    """Write down what happens in a past that has incidents. Raises `PartMissing`."""
    try:
        with os.fdopen(open_private_file(path), "wb") as file:
            file.write(write_labels(History(past).labels))
    except OSError as error:
        raise PartMissing(
            f"{path} can't be written: {error.strerror}",
            "name a file in a directory that exists and that you may write to",
        ) from error


def generate_history(
    settings: Settings,
    past: Past,
    place: Place,
    clock: Clock,
    stop: threading.Event,
) -> HistoryReport:
    """Make a past up and say what was made. Raises what its sink raises."""
    with (
        place.sink(settings, clock, stop) as sink,
        progress_bar(shown=place.out != STANDARD_OUTPUT) as bar,
    ):
        task = bar.add_task("days", total=past.days)

        def show(report: HistoryReport) -> None:
            bar.update(task, completed=report.days, description=f"{report.events:,} events, days")

        report = write_history(past, sink, clock, stop.wait, show)
    remark(_summary(report, past, place, settings))
    return report


def _summary(report: HistoryReport, past: Past, place: Place, settings: Settings) -> str:
    text = (
        f"made {number(report.events)} events of {number(past.users)} shoppers and a bot, "
        f"{moment(past.from_ms)} to {moment(past.until_ms)}"
    )
    if not report.is_done:
        text += f", as far as day {report.days} of {past.days}"
    where, receipt = place.in_words(settings), report.receipt
    if place.out is not None:
        return f"{text}, written to {where}"
    text += f"; {number(receipt.accepted)} taken by {where}"
    text += f", {number(receipt.duplicates)} known already" if receipt.duplicates else ""
    text += f", {number(receipt.rejected)} kept as dead letters" if receipt.rejected else ""
    return text + (f", {number(receipt.unconfirmed)} unanswered" if receipt.unconfirmed else "")
