"""The command `doctor`: what could keep this installation from running?"""

import os
from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.table import Table
from rich.text import Text

from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.terminal import say, shown
from rtcdp.clock import SystemClock
from rtcdp.plain_text import as_text
from rtcdp.runtime.diagnosis import Finding, diagnose
from rtcdp.runtime.settings import Settings

_SIGNS = {"ok": ("✓", "green"), "odd": ("!", "yellow"), "broken": ("✗", "bold red")}


_COLUMNS = ("what", "state", "fact", "hint")


@with_settings("host", "port", "catalog")
def doctor(settings: Settings, *, form: Form) -> None:
    """Look for what could keep it from running: Python, disk, port, log, store, clock."""
    findings = diagnose(settings, os.environ, SystemClock())
    rows = [asdict(finding) for finding in findings]
    write(Result(_COLUMNS, rows), form, lambda: _show(findings))
    if _what(findings, "broken"):
        raise typer.Exit(1)


def _show(findings: Sequence[Finding]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("sign", "what", "fact"):
        table.add_column(name, overflow="fold", no_wrap=name != "fact")
    for finding in findings:
        fact = shown(finding.fact)
        if finding.hint:
            fact = Text.assemble(fact, "\n", ("→ ", "bold"), (as_text(finding.hint), "bold"))
        table.add_row(Text(*_SIGNS[finding.state]), finding.what, fact)
    say(table)
    broken, odd = _what(findings, "broken"), _what(findings, "odd")
    if broken:
        say(Text(f"broken: {', '.join(broken)}", "bold red"))
    elif odd:
        say(Text(f"nothing is broken; look at: {', '.join(odd)}", "bold yellow"))
    else:
        say(Text("everything is in place", "bold green"))


def _what(findings: Sequence[Finding], state: str) -> list[str]:
    return [finding.what for finding in findings if finding.state == state]
