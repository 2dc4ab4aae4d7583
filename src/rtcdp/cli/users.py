"""The commands `users export`, `users erase` and `users verify-receipt`."""

import os
import pwd
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from rtcdp.access.audit import AuditLog
from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import PlainCommand, PlainGroup, moment, remark, say
from rtcdp.clock import Clock, SystemClock
from rtcdp.errors import PartMissing, UsageError
from rtcdp.private_files import open_private_file
from rtcdp.runtime.parts import log_reader, require_store, store_of
from rtcdp.runtime.processes.locks import AlreadyRunning
from rtcdp.runtime.processing import erase as erase_user
from rtcdp.runtime.settings import Settings
from rtcdp.runtime.user_data.export import encoded, export_user
from rtcdp.runtime.user_data.over_http import refuse_in_shards
from rtcdp.runtime.user_data.receipts import Receipt, is_genuine, path_of, read_receipt
from rtcdp.runtime.user_data.requests import ErasureRequests
from rtcdp.words import plural

_TAKEN_UP_S = 30.0
"""One that is busy counting, or reads a catalog anew, takes a request up later than others."""

_LOOK_S = 0.1

_UNKNOWN = "nothing is known of that user; ids are told apart by upper and lower case"

User = Annotated[str, typer.Argument(metavar="USER", help="The user's id, as events have it.")]

users = typer.Typer(
    name="users",
    cls=PlainGroup,
    add_completion=False,
    no_args_is_help=True,
    help="Export all that is known of a user, or erase the user.",
)


@users.command("export", cls=PlainCommand)
@with_settings("catalog", "folds")
def export(
    settings: Settings,
    user: User,
    *,
    to: Annotated[
        Path | None,
        typer.Option("--to", "--out", metavar="FILE", help="Where to; without it, here."),
    ] = None,
) -> None:
    """Write all that is known of a user, one JSON object a line: what an erasure takes out."""
    require_store(settings)
    AuditLog(settings.data_dir, SystemClock()).note("command line", "users.export")
    count = 0
    with store_of(settings, read_only=True) as store, log_reader(settings) as log:
        lines = export_user(settings, log, store, user)
        if to is None:
            for line in lines:
                typer.echo(encoded(line).decode())
                count += 1
        else:
            with os.fdopen(open_private_file(to), "wb") as file:
                for line in lines:
                    file.write(encoded(line) + b"\n")
                    count += 1
    if not count:
        remark(_UNKNOWN)
    if to is not None:
        say(f"wrote {plural(count, 'line')} to {to}")


@users.command("erase", cls=PlainCommand)
@with_settings("catalog", "folds")
def erase(
    settings: Settings,
    user: User,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask whether that is meant.")] = False,
) -> None:
    """Take a user out of log and store for good, and keep a signed receipt.

    The processor does it where one is at work; else this command."""
    require_store(settings)
    if not yes and not _is_meant():
        raise UsageError("nothing was erased", "say yes, or give --yes")
    clock = SystemClock()
    AuditLog(settings.data_dir, clock).note("command line", "users.erase")
    try:
        receipt = erase_user(settings, clock, user, _who())
    except AlreadyRunning as running:
        refuse_in_shards(settings, clock)
        receipt = _asked(settings, clock, user, running)
    _show(receipt, path_of(settings.data_dir, receipt))
    if receipt.found:
        raise typer.Exit(1)


def _is_meant() -> bool:
    try:
        return typer.confirm("This can't be undone. Erase the user?", err=True)
    except typer.Abort:  # nobody is there to be asked
        return False


@users.command("verify-receipt", cls=PlainCommand)
@with_settings()
def verify_receipt(
    settings: Settings,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Receipts.")],
    *,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Is it about this user?")
    ] = None,
) -> None:
    """Tell whether receipts are as this installation signed them.

    With a user, whether one of them is about that user."""
    receipts = [read_receipt(file) for file in files]
    for file, receipt in zip(files, receipts, strict=True):
        if not is_genuine(settings.data_dir, receipt):
            which = f": {file}" if len(files) > 1 else ""
            say(Text(f"the receipt is not as it was signed here{which}", "bold red"))
            raise typer.Exit(1)
    about = [each for each in receipts if user is None or each.is_of(user)]
    if not about:
        say(Text("genuine, and about somebody else", "yellow"))
        raise typer.Exit(1)
    for receipt in about:
        say(f"genuine: signed here, of an erasure at {moment(receipt.erased_at)} by {receipt.by}")


def _asked(settings: Settings, clock: Clock, user: str, running: AlreadyRunning) -> Receipt:
    """Let the processor do it, and wait for it. Raises `running` where that doesn't take it up."""
    requests = ErasureRequests(settings.data_dir, clock)
    state, is_new = requests.ask(user, _who())
    remark("the processor that is at work is asked to do it")
    deadline = clock.monotonic() + _TAKEN_UP_S
    while state.state in ("waiting", "erasing"):
        is_late = state.state == "waiting" and clock.monotonic() > deadline
        # What somebody else asked for stays.
        if is_late and (not is_new or requests.withdraw(state.id)):
            raise running
        time.sleep(_LOOK_S)
        state = requests.state(state.id)
    if state.receipt is None:
        raise PartMissing(f"nothing was erased: {state.trouble}")
    return msgspec.convert(state.receipt, Receipt)


def _show(receipt: Receipt, path: Path) -> None:
    records = sum(receipt.records.values())
    rows = sum(receipt.rows.values())
    told = f"erased {plural(records, 'record')} and {plural(rows, 'row')}"
    lost = f"{plural(receipt.log_records, 'record')} lost {_their(receipt.log_records)} bytes"
    say(f"{told} of {plural(len(receipt.rows), 'table')}; {lost} in the log")
    if not records and not rows and not receipt.log_records:
        remark(_UNKNOWN)
    for trace in receipt.found:
        say(Text(f"the id still stands {trace.count:,} times in {trace.place}", "bold red"))
    if not receipt.found:
        say("the search found the id nowhere")
    for note in receipt.notes:
        say(Text(note, "yellow"))
    say(f"receipt: {path}")


def _their(count: int) -> str:
    return "its" if count == 1 else "their"


def _who() -> str:
    """By the system's own word: environment variables may say anything."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
