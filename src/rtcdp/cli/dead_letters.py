"""The commands `dead-letters list` and `dead-letters replay`."""

from collections.abc import Sequence
from typing import Annotated, get_args

import typer
from rich.text import Text

from rtcdp.answers.instant import iso_ms
from rtcdp.cli.options import data_flags, with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.terminal import ListingGroup, PlainCommand, cut, moment, number, say, set_in
from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.events.dead_letter import DeadLetterReason
from rtcdp.plain_text import as_text
from rtcdp.runtime.dead_letters import DeadLetter, Parts, dead_letters_of, replay_dead_letters
from rtcdp.runtime.parts import log_reader, log_writer, require_store, store_of
from rtcdp.runtime.settings import Settings
from rtcdp.store import UncountedScan

Reason = Annotated[
    str | None, typer.Option("--reason", metavar="REASON", help="Only those with this reason.")
]
Source = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="Only those of this source.")
]

_COLUMNS = (
    *("received_at", "source", "partition", "offset"),
    *("reason", "step", "message", "replayed_at", "raw"),
)
_SHOWN_BYTES = 500

dead_letters = typer.Typer(
    name="dead-letters",
    cls=ListingGroup,
    add_completion=False,
    help="Look at what could not be admitted, and feed it in again.",
)


@dead_letters.command("list", cls=PlainCommand)
@with_settings()
def list_dead_letters(
    settings: Settings,
    *,
    reason: Reason = None,
    source: Source = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="How many at most.")
    ] = 20,
    form: Form,
) -> None:
    """Show the newest dead letters, with the reason and what was received; also without "list"."""
    _require_known(reason)
    require_store(settings)
    with store_of(settings, read_only=True) as store:
        found = dead_letters_of(store, UncountedScan(reason=reason, source=source), limit)
    rows = [_row(letter) for letter in found]
    write(Result(_COLUMNS, rows), form, lambda: _show(found))


def _require_known(reason: str | None) -> None:
    known = get_args(DeadLetterReason)
    if reason not in (None, *known):
        raise UsageError(f"--reason is {reason!r}", f"give one of: {', '.join(known)}")


def _row(letter: DeadLetter) -> dict[str, object]:
    replayed_at = letter["replayed_at"]
    return {
        **{name: letter[name] for name in ("partition", "offset", "source")},
        **{name: letter[name] for name in ("reason", "step", "message")},
        "received_at": iso_ms(letter["received_at"]),
        "replayed_at": None if replayed_at is None else iso_ms(replayed_at),
        "raw": (letter["raw"] or b"").decode(errors="backslashreplace"),
    }


def _show(found: Sequence[DeadLetter]) -> None:
    if not found:
        say("no dead letters")
        return
    for letter in found:
        place = f"{letter['partition']}:{letter['offset']}"
        replayed = (" replayed", "green") if letter["replayed_at"] is not None else ""
        reason = (letter["reason"], "bold red")
        when, source = moment(letter["received_at"]), as_text(letter["source"])
        raw = (letter["raw"] or b"")[:_SHOWN_BYTES].decode(errors="backslashreplace")
        say(
            Text.assemble((when, "dim"), f"  {source}  {place}  ", reason, replayed),
            *set_in(letter["message"] or ""),
            cut(Text(f"  {as_text(raw)}", "dim")),
        )


@dead_letters.command("replay", cls=PlainCommand)
@with_settings()
def replay(
    settings: Settings,
    *,
    reason: Reason = None,
    source: Source = None,
    everything: Annotated[bool, typer.Option("--all", help="Whatever the reason.")] = False,
) -> None:
    """Feed dead letters in again, each once: those that can be admitted now."""
    if reason is None and not everything:
        raise UsageError(
            "which dead letters are to be replayed?", "name a --reason, or take them --all"
        )
    _require_known(reason)
    require_store(settings)
    clock = SystemClock()
    wanted = UncountedScan(reason=reason, source=source)
    with (
        store_of(settings) as store,
        log_reader(settings) as log,
        log_writer(settings, clock) as writer,
    ):
        parts = Parts(log, writer, store)
        done = replay_dead_letters(parts, clock, settings.admission, wanted)
    if done.still_dead:
        say(
            Text.assemble(
                (f"{done.still_dead:,} still can't be admitted", "yellow"),
                " and stay as they are (rtcdp dead-letters list says why)",
            )
        )
    if not done.replayed:
        say("nothing to replay")
        return
    say(
        f"replayed {number(done.replayed)} dead letters; a running processor counts them, "
        f"or rtcdp process --once{data_flags(settings)}"
    )
