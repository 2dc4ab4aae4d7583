"""The commands `sources list` and `sources retire`."""

from collections.abc import Sequence
from contextlib import closing
from typing import Annotated

import typer
from rich.text import Text

from rtcdp.cli.help import PlainCommand, PlainGroup
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.terminal import number, say
from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.log.limits import MAX_SOURCES
from rtcdp.runtime.parts import embedded_log_writer
from rtcdp.runtime.settings import Settings

sources = typer.Typer(
    name="sources",
    cls=PlainGroup,
    add_completion=False,
    no_args_is_help=True,
    help="Look at the sources that the log knows, and retire one.",
)


@sources.command("list", cls=PlainCommand)
@with_settings()
def list_sources(settings: Settings, *, form: Form) -> None:
    """Show the names that count against the limit of the log."""
    with closing(embedded_log_writer(settings, SystemClock())) as writer:
        names = writer.sources()
    rows = [{"source": name} for name in names]
    write(Result(("source",), rows), form, lambda: _show(names))


def _show(names: Sequence[str]) -> None:
    say(f"{number(len(names))} of {MAX_SOURCES} sources")
    for name in names:
        say(Text(f"  {name}"))


@sources.command("retire", cls=PlainCommand)
@with_settings()
def retire(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The source to forget.")],
) -> None:
    """Make room for another source. The records of this one stay, and are counted as ever."""
    with closing(embedded_log_writer(settings, SystemClock())) as writer:
        if not writer.retire_source(name):
            raise UsageError(
                f"the log knows no source {name!r}", "rtcdp sources list shows those that it knows"
            )
    say(Text(f"retired {name}; a running collector knows it until it starts again"))
