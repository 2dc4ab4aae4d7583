"""The command `rtcdp`: which commands there are, and what becomes of errors."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.main import get_command

import rtcdp
from rtcdp.cli.terminal import PlainCommand, PlainGroup, complain, say
from rtcdp.errors import RtcdpError
from rtcdp.runtime.deferred import deferred
from rtcdp.runtime.processes.allocation import prepare_to_fold

ALL, ONE, LOOK, KEEP, PROVE = "Run everything", "Run one part", "Look", "Maintain", "Prove"


@dataclass(frozen=True)
class Command:
    """A command: the panel of the help it stands in, what it says there, and where it is."""

    panel: str
    summary: str
    place: str


COMMANDS = {
    "up": Command(
        ALL,
        "Run everything: collector, processor, API, dashboard and a generator of events.",
        "rtcdp.cli.up:up",
    ),
    "replay": Command(
        ALL,
        "Feed recorded events in: into the data folder, or to a running collector.",
        "rtcdp.cli.replay:replay",
    ),
    "collect": Command(
        ONE,
        "Take events in over HTTP, and keep them in the log.",
        "rtcdp.cli.up:collect",
    ),
    "process": Command(ONE, "Fold the log into answers.", "rtcdp.cli.process:process"),
    "serve": Command(
        ONE, "Give answers over HTTP: the API and the dashboard.", "rtcdp.cli.up:serve"
    ),
    "generate": Command(
        ONE,
        "Make up a shop's visitors, and send or write their events.",
        "rtcdp.cli.generate:generate",
    ),
    "status": Command(
        LOOK,
        "Show whether it runs, and how far its answers are.",
        "rtcdp.cli.looking:status",
    ),
    "events": Command(
        LOOK,
        "Show the newest events, one a line, and what became of each.",
        "rtcdp.cli.events:events",
    ),
    "metrics": Command(
        LOOK,
        "List the metrics of the catalog, or the newest windows of one.",
        "rtcdp.cli.metrics:metrics",
    ),
    "query": Command(
        LOOK,
        "Show metrics by hour, day, week or month, and by what their keys tell apart.",
        "rtcdp.cli.query:query",
    ),
    "sessions": Command(
        LOOK,
        "Show the visits of users: the newest of them, or what they come to day by day.",
        "rtcdp.cli.sessions:sessions",
    ),
    "user": Command(
        LOOK,
        "Show one user: how far they came, their sessions, and what happened to them.",
        "rtcdp.cli.sessions:user",
    ),
    "funnel": Command(
        LOOK,
        "Show how many came how far in a funnel, or who they are.",
        "rtcdp.cli.funnel:funnel",
    ),
    "retention": Command(
        LOOK, "Show who comes back, cohort by cohort.", "rtcdp.cli.returning:retention"
    ),
    "paths": Command(
        LOOK,
        "Show the paths that are gone most, and where they end.",
        "rtcdp.cli.returning:paths",
    ),
    "joins": Command(
        LOOK,
        "Show what became of carts: bought, left, or still open; day by day or one by one.",
        "rtcdp.cli.joins:joins",
    ),
    "anomalies": Command(
        LOOK,
        "Show what is out of the ordinary in the numbers, and why.",
        "rtcdp.cli.anomalies:anomalies",
    ),
    "recommend": Command(
        LOOK,
        "Show what to recommend to a user, or with a product or a basket, and why.",
        "rtcdp.cli.recommend:recommend",
    ),
    "ledger": Command(
        LOOK,
        "Show what became of every record: the totals, and the newest minutes.",
        "rtcdp.cli.looking:ledger",
    ),
    "dead-letters": Command(
        LOOK,
        "Look at what could not be admitted, and feed it in again.",
        "rtcdp.cli.dead_letters:dead_letters",
    ),
    "sources": Command(
        LOOK,
        "Look at the sources that the log knows, and retire one.",
        "rtcdp.cli.looking:sources",
    ),
    "users": Command(
        KEEP,
        "Export all that is known of a user, or erase the user.",
        "rtcdp.cli.users:users",
    ),
    "backup": Command(
        KEEP,
        "Copy the installation into a new folder, while it runs.",
        "rtcdp.cli.backup:backup",
    ),
    "restore": Command(
        KEEP,
        "Bring an installation back from a backup, into a new place, and check it.",
        "rtcdp.cli.restore:restore",
    ),
    "keys": Command(
        KEEP,
        "Make keys for who may send and ask, replace them, take them back.",
        "rtcdp.cli.keys:keys",
    ),
    "config": Command(
        LOOK,
        "Show the settings in force, and where each comes from.",
        "rtcdp.cli.doctor:config",
    ),
    "check": Command(
        PROVE,
        "Read a folder of metrics and folds before anything runs: what is wrong, what would"
        " change.",
        "rtcdp.cli.check:check",
    ),
    "verify": Command(
        PROVE,
        "Compute everything again from the log, naively, and compare it with the store.",
        "rtcdp.cli.verify:verify",
    ),
    "evaluate": Command(
        PROVE,
        "Measure how well the answers tell what is known.",
        "rtcdp.cli.evaluate:evaluate",
    ),
    "doctor": Command(
        PROVE,
        "Look for what could keep it from running: Python, disk, port, log, store, clock.",
        "rtcdp.cli.doctor:doctor",
    ),
}

_EPILOG = (
    "Start with [bold]rtcdp up[/bold] and open http://127.0.0.1:8081.\n\n"
    "Then feed it your own events: [bold]rtcdp replay FILE --mapping NAME[/bold]"
)


class _Commands(PlainGroup):
    """All commands by their summaries; the one that was typed is imported when it is run."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        if name == "process":
            prepare_to_fold(os.environ)
        return name, None if name is None else command_of(name), rest


app = typer.Typer(
    name="rtcdp",
    cls=_Commands,
    help="Customer activity events in, exact windowed answers out.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command_of(name: str) -> Any:
    """The command with that name, imported."""
    found = deferred(COMMANDS[name].place)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(rich_markup_mode="rich", add_completion=False)
        single.command(name, cls=PlainCommand)(found)
        found = single
    return get_command(found)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code: 0 done, 1 a check failed, 2 wrong usage, 3 a
    part that is needed is not there, 130 interrupted."""
    try:
        app(args=list(arguments), prog_name="rtcdp")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except RtcdpError as error:
        complain(error)
        return error.exit_code
    return 0


def main() -> None:
    """The entry point of the command `rtcdp`."""
    sys.exit(run(sys.argv[1:]))


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"rtcdp {rtcdp.__version__}")
        raise typer.Exit


@app.callback()
def _everything(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    del version


def _stand_in() -> None:
    """What the help is made from, in the place of a command that is not imported."""


for _name, _command in COMMANDS.items():
    app.command(_name, help=_command.summary, rich_help_panel=_command.panel)(_stand_in)
