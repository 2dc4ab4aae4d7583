"""How a command's result is written: as a table for people, or as JSON or CSV for programs."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import typer

from rtcdp.cli import terminal
from rtcdp.errors import UsageError
from rtcdp.plain_text import as_json_text, as_text

OUTPUT = "Output"


@dataclass(frozen=True)
class Form:
    """The options of every command that shows rows."""

    json: Annotated[
        bool, typer.Option("--json", help="Write JSON instead.", rich_help_panel=OUTPUT)
    ] = False
    csv: Annotated[
        bool, typer.Option("--csv", help="Write the rows as CSV instead.", rich_help_panel=OUTPUT)
    ] = False

    def __post_init__(self) -> None:
        if self.json and self.csv:
            raise UsageError("a result has one form", "give --json or --csv")


@dataclass(frozen=True)
class Result:
    """What a command found: rows by the names of their columns, and whatever else JSON shows."""

    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, object]]
    more: Mapping[str, object] = field(default_factory=dict)


def write(result: Result, form: Form, show: Callable[[], None]) -> None:
    """Write the result in the form that was asked for; `show` writes it for people."""
    if form.json:
        items = [{name: row.get(name) for name in result.columns} for row in result.rows]
        write_json({**result.more, "items": items})
    elif form.csv:
        write_csv(result.columns, result.rows)
    else:
        show()


def write_json(document: object, *, indent: int = 2) -> None:
    """Write one JSON document; with `indent` 0 it is one line."""
    encoded = msgspec.json.encode(document)
    text = (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()
    terminal.out.file.write(as_json_text(text) + "\n")
    terminal.out.file.flush()


def write_csv(
    columns: Sequence[str], rows: Sequence[Mapping[str, object]], *, header: bool = True
) -> None:
    """Write rows as RFC 4180 has it. Lists and objects are JSON in their cell; what is absent is
    empty. On a terminal, what would steer it is written out; a file gets every text as it is."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    terminal.out.file.write(text.getvalue())
    terminal.out.file.flush()


def _cell(value: object) -> object:
    if isinstance(value, list | tuple | dict):
        value = msgspec.json.encode(value).decode()
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, str):
        safe = as_text(value) if terminal.out.is_terminal else value
        return safe.encode(errors="backslashreplace").decode()
    return value
