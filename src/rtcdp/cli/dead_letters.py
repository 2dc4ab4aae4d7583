"""The commands `dead-letters list` and `dead-letters replay`."""

from typing import Annotated

import typer
from rich.text import Text

from rtcdp.assembly.dead_letters import Parts, dead_letters_of, replay_dead_letters
from rtcdp.assembly.parts import log_reader, log_writer, store_of
from rtcdp.cli.options import data_flags, with_settings
from rtcdp.cli.terminal import listing, moment, number, say
from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.settings import Settings
from rtcdp.store.store import UncountedScan

Reason = Annotated[
    str | None, typer.Option("--reason", metavar="REASON", help="Only those with this reason.")
]
Source = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="Only those of this source.")
]

dead_letters = typer.Typer(
    name="dead-letters",
    no_args_is_help=True,
    help="Look at what could not be admitted, and feed it in again.",
)


@dead_letters.command("list")
@with_settings()
def list_dead_letters(
    settings: Settings,
    *,
    reason: Reason = None,
    source: Source = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
) -> None:
    """Show the newest dead letters, with the reason and what was received."""
    with store_of(settings, read_only=True) as store:
        found = dead_letters_of(store, UncountedScan(reason=reason, source=source), limit)
    if not found:
        say("no dead letters")
        return
    table = listing("received at", "source", "place", "reason", "what to send instead", "raw")
    for letter in found:
        raw = (letter["raw"] or b"")[:120].decode(errors="backslashreplace")
        replayed = " (replayed)" if letter["replayed_at"] is not None else ""
        table.add_row(
            moment(letter["received_at"]),
            Text(letter["source"]),
            f"{letter['partition']}:{letter['offset']}",
            Text(f"{letter['reason']}{replayed}"),
            Text(letter["message"] or ""),
            Text(raw),
        )
    say(table)


@dead_letters.command("replay")
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
