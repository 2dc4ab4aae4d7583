"""How entries of the telemetry are shown: as text or JSON, on standard error or by `rtcdp up`."""

from rich.console import Console
from rich.text import Text

from rtcdp.cli import terminal
from rtcdp.clock import Clock
from rtcdp.runtime.settings import Settings
from rtcdp.telemetry import Entry, EntryHandler, entry_in, entry_now, tell_entries

_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}


def tell_here(settings: Settings, part: str, clock: Clock) -> None:
    """Show what this process tells on standard error, as `settings.log_format` says."""
    tell_entries(shower(settings, terminal.err), part, clock)


def shower(settings: Settings, console: Console) -> EntryHandler:
    """What shows entries on `console`."""

    def show(entry: Entry) -> None:
        if settings.log_format == "json":
            console.print(Text(entry.as_json()), soft_wrap=True)
        else:
            console.print(Text(entry.as_text(), _STYLES.get(entry.level, "")), soft_wrap=True)

    return show


def entry_of(line: str, part: str, clock: Clock) -> Entry:
    """What a part said in a line: an entry, or, for what wrote past the telemetry, a warning."""
    return entry_in(line) or entry_now(clock, "WARNING", part, line)
