"""Commands about the place where it runs: `doctor` (what could keep it from running?) and `config`
(the settings in force, and where each comes from)."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.terminal import listing, remark, say, shown
from rtcdp.clock import SystemClock
from rtcdp.plain_text import as_text
from rtcdp.runtime.diagnosis import Finding, diagnose
from rtcdp.runtime.settings import (
    Loaded,
    Settings,
    unknown_variables,
    values_of,
    without_password,
)

_SIGNS = {"ok": ("✓", "green"), "odd": ("!", "yellow"), "broken": ("✗", "bold red")}


_FINDING = ("what", "state", "fact", "hint")


@with_settings("host", "port", "catalog", "folds")
def doctor(settings: Settings, *, form: Form) -> None:
    """Look for what could keep it from running: Python, disk, port, log, store, clock."""
    findings = diagnose(settings, os.environ, SystemClock())
    rows = [asdict(finding) for finding in findings]
    write(Result(_FINDING, rows), form, lambda: _show_findings(findings))
    if _what(findings, "broken"):
        raise typer.Exit(1)


def _show_findings(findings: Sequence[Finding]) -> None:
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


DEFAULT = "default"

_SETTING = ("key", "value", "origin", "variable", "meaning")


@with_settings(
    *("host", "port", "trust_network", "rate", "users", "engine", "catalog", "folds", "log_format"),
)
def config(
    loaded: Loaded,
    *,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only those that are not left at their default.")
    ] = False,
    form: Form,
) -> None:
    """Show the settings in force, and where each comes from."""
    rows: list[dict[str, object]] = [
        {
            "key": setting.key,
            "value": _plain(value),
            "origin": loaded.origins.get(setting.key, DEFAULT),
            "variable": setting.variable,
            "meaning": setting.meaning,
        }
        for setting, value in values_of(loaded.settings)
    ]
    if changed:
        rows = [row for row in rows if row["origin"] != DEFAULT]
    write(Result(_SETTING, rows), form, lambda: _show_settings(rows))
    without_effect = unknown_variables(os.environ)
    if without_effect:
        remark(Text(f"no settings, and without effect: {', '.join(without_effect)}", "yellow"))


def _show_settings(rows: list[dict[str, object]]) -> None:
    if not rows:
        say("every setting is at its default")
        return
    table = listing("setting", "value", "from")
    for row in rows:
        is_default = row["origin"] == DEFAULT
        value = "–" if row["value"] in (None, "") else f"{row['value']}"
        table.add_row(
            row["key"],
            Text(value, "" if is_default else "bold"),
            Text(str(row["origin"]), "dim" if is_default else "cyan"),
        )
    say(table)


def _plain(value: object) -> object:
    if isinstance(value, bool | int | float) or value is None:
        return value
    return without_password(str(value))
