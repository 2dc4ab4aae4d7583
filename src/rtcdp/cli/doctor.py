"""The command `doctor`: what could keep this installation from running?"""

import os

import typer
from rich.table import Table
from rich.text import Text

from rtcdp.assembly.diagnosis import diagnose
from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import say
from rtcdp.clock import SystemClock
from rtcdp.settings import Settings

_SIGNS = {"ok": ("✓", "green"), "odd": ("!", "yellow"), "broken": ("✗", "bold red")}


@with_settings("host", "port", "catalog")
def doctor(settings: Settings) -> None:
    """Look for what could keep it from running: Python, disk, port, log, store, clock."""
    findings = diagnose(settings, os.environ, SystemClock())
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name in ("sign", "what", "fact"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        fact = Text(finding.fact)
        if finding.hint:
            fact.append(f"\n→ {finding.hint}", style="bold")
        table.add_row(Text(*_SIGNS[finding.state]), finding.what, fact)
    say(table)
    broken = [finding.what for finding in findings if finding.state == "broken"]
    if broken:
        say(Text(f"broken: {', '.join(broken)}", "bold red"))
        raise typer.Exit(1)
    say(Text("everything is in place", "bold green"))
