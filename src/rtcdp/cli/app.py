"""The command `rtcdp`: which commands there are, and what becomes of errors."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import rtcdp
from rtcdp.cli.dead_letters import dead_letters
from rtcdp.cli.doctor import doctor
from rtcdp.cli.looking import ledger, metrics
from rtcdp.cli.replay import replay
from rtcdp.cli.single_parts import collect, generate, process, serve
from rtcdp.cli.terminal import complain, say
from rtcdp.cli.up import up
from rtcdp.cli.verify import verify
from rtcdp.errors import RtcdpError

ALL, ONE, LOOK, PROVE = "Run everything", "Run one part", "Look", "Prove"

_EPILOG = (
    "Start with [bold]rtcdp up[/bold] and open http://127.0.0.1:8081.\n\n"
    "Then feed it your own events: [bold]rtcdp replay FILE --mapping NAME[/bold]"
)

app = typer.Typer(
    name="rtcdp",
    help="Customer activity events in, exact windowed answers out.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for panel, commands in {
    ALL: (up, replay),
    ONE: (collect, process, serve, generate),
    LOOK: (metrics, ledger),
    PROVE: (verify, doctor),
}.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(dead_letters, name="dead-letters", rich_help_panel=LOOK)


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
