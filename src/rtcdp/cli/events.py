"""The command `events`: the newest events one by one, and those that come."""

import threading
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from rtcdp.admission.verdicts import VERDICTS
from rtcdp.answers.drill_down import UNKNOWN, WAITING, Judged, Wish
from rtcdp.answers.event_tail import EventTail, Wanted
from rtcdp.answers.instant import iso_ms
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, write_csv, write_json
from rtcdp.cli.terminal import cut, end_of, moment, say
from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.plain_text import as_text
from rtcdp.runtime.parts import log_reader, require_log, store_of
from rtcdp.runtime.processes.signals import stop_at_signals
from rtcdp.runtime.settings import Settings
from rtcdp.words import cents

WHICH = "Which"

_COLUMNS = (
    *("received_at", "partition", "offset", "source", "verdict", "reason"),
    *("timestamp", "eventType", "userId", "event"),
)
_STYLES = {
    **{"late": "yellow", "duplicate": "yellow", "dead_letter": "red"},
    **{WAITING: "dim", UNKNOWN: "dim", "erased": "dim"},
}
_POLL_S = 0.25


def _field(flag: str, meaning: str) -> Any:
    return typer.Option(flag, metavar="TEXT", help=meaning, rich_help_panel=WHICH)


@dataclass(frozen=True)
class Which:
    """Which events are shown."""

    user: Annotated[str | None, _field("--user", "Only this user's.")] = None
    type: Annotated[str | None, _field("--type", "Only of this type, like PURCHASE.")] = None
    source: Annotated[str | None, _field("--source", "Only those of this source.")] = None
    verdict: Annotated[
        str | None,
        _field("--verdict", "Only admitted, duplicate, late, dead_letter or erased ones."),
    ] = None

    def __post_init__(self) -> None:
        if self.verdict not in (None, *VERDICTS):
            known = ", ".join(VERDICTS)
            raise UsageError(f"--verdict is {self.verdict!r}", f"give one of: {known}")

    def wanted(self) -> Wanted:
        given = {"userId": self.user, "eventType": self.type, "source": self.source}
        equals = {name: text for name, text in given.items() if text is not None}
        return Wanted(Wish(equals=equals), self.verdict)


@with_settings()
def events(
    settings: Settings,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with those that come.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="How many of the newest.")
    ] = 20,
    which: Which,
    form: Form,
) -> None:
    """Show the newest events, one a line, and what became of each."""
    require_log(settings)
    clock, stop = SystemClock(), threading.Event()
    with log_reader(settings) as log, store_of(settings, read_only=True) as store:
        tail = EventTail(log, store, which.wanted(), clock)
        found = tail.newest(limit)
        if form.csv:
            write_csv(_COLUMNS, [])
        _write(found, form)
        if not follow:
            if not (found or form.json or form.csv):
                say("no events")
            return
        heard = stop_at_signals(stop)
        while not stop.is_set():
            _write(tail.following(_POLL_S), form)
    end_of(heard)


def _write(found: list[Judged], form: Form) -> None:
    for met in found:
        if form.json:
            write_json(_row(met), indent=0)
        elif form.csv:
            write_csv(_COLUMNS, [_row(met)], header=False)
        else:
            say(cut(_line(met)))


def _row(met: Judged) -> dict[str, object]:
    record, event = met.record, met.event
    raw = record.raw.decode(errors="backslashreplace")
    return {
        "received_at": iso_ms(record.received_at),
        "partition": record.partition,
        "offset": record.offset,
        "source": record.source,
        "verdict": met.verdict,
        "reason": met.reason,
        "timestamp": None if event is None else iso_ms(event.timestamp_ms),
        "eventType": None if event is None else event.event_type,
        "userId": None if event is None else event.user_id,
        "event": raw if event is None else msgspec.json.decode(record.raw),
    }


def _line(met: Judged) -> Text:
    """The time, what became of it, the type, the user, and what it was about."""
    event = met.event
    if event is None:
        rest = as_text(met.record.raw[:2_000].decode(errors="backslashreplace"))
        when = moment(met.record.received_at)
    else:
        about = [event.page_url, event.product_id]
        about += [] if event.value is None else [cents(event.value)]
        shown = " ".join(as_text(part) for part in about if part)
        rest = f"{as_text(event.event_type):<12} {as_text(event.user_id):<14} {shown}"
        when = moment(event.timestamp_ms)
    verdict = met.verdict.replace("_", " ")
    reason = f"{met.reason}: " if met.reason and met.reason != met.verdict else ""
    return Text.assemble(
        (when, "dim"), " ", (f"{verdict:<11}", _STYLES.get(met.verdict, "green")), " ", reason, rest
    )
