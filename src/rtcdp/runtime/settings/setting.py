"""One setting: how it is called wherever it is set, and what it takes."""

import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from rtcdp.errors import UsageError

PREFIX = "RTCDP_"


@dataclass(frozen=True)
class Setting:
    """One setting: `key` as in the file (`section.name` within a section), what it takes, what it
    is when nobody says, and what it means."""

    key: str
    kind: Any
    default: object
    meaning: str

    @property
    def variable(self) -> str:
        return PREFIX + self.key.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        return "--" + self.key.replace("_", "-")


def from_text(setting: Setting, text: str) -> object:
    """What a setting's variable says. Raises `UsageError` that names the variable."""
    value: object = text
    if setting.kind is bool:
        value = {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    elif setting.kind in (int, float):
        try:
            value = setting.kind(text)
        except ValueError:
            value = text
    return checked_type(setting, value, setting.variable)


def checked_type(setting: Setting, value: object, place: str) -> object:
    """`value` as the setting's type; raises `UsageError` that names `place`."""
    kind = setting.kind
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (bool, int, float, str) and type(value) is kind:
        return value
    if _takes_path(kind) and isinstance(value, str | Path) and str(value):
        return Path(value)
    if get_args(kind) and value in get_args(kind):
        return value
    raise UsageError(f"{place} is {value!r}", f"give {_wanted(setting)}")


def _wanted(setting: Setting) -> str:
    if _takes_path(setting.kind):
        return "a path"
    if get_args(setting.kind):
        return f"one of: {', '.join(get_args(setting.kind))}"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return words[setting.kind]


def _takes_path(kind: object) -> bool:
    return kind is Path or (isinstance(kind, types.UnionType) and Path in get_args(kind))
