"""The command `config`: the settings in force, and where each comes from."""

from typing import Annotated

import typer
from rich.text import Text

from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.terminal import listing, say
from rtcdp.runtime.settings import Loaded, values_of, without_password

DEFAULT = "default"

_COLUMNS = ("key", "value", "origin", "variable", "meaning")


@with_settings(
    *("host", "port", "trust_network", "rate", "users", "engine", "catalog", "log_format"),
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
    write(Result(_COLUMNS, rows), form, lambda: _show(rows))


def _show(rows: list[dict[str, object]]) -> None:
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
