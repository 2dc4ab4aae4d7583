"""Turns settings into command-line options, so that each is described in one place."""

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from rtcdp.cli.terminal import err, remark
from rtcdp.errors import UsageError
from rtcdp.runtime.settings import Loaded, Setting, Settings, all_settings, load_with_origins

HowMany = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=1000, help="How many, up to 1,000.")
]
"""The option of whatever shows a list."""

EVERYWHERE = ("data_dir", "log", "store")
"""What every command takes."""

SETTINGS = "Settings"
"""The panel of the help that they stand in."""

_METAVARS = {
    "data_dir": "DIR",
    "log": "URL",
    "store": "URL",
    "catalog": "DIR",
    "folds": "NAMES",
    "host": "ADDRESS",
    "port": "N",
    "log_format": "text|json",
    "engine": "native|spark",
    "rate": "PER_S",
    "users": "N",
    "config": "FILE",
}
_CONFIG_HELP = "Read settings from this file. Without it: ./rtcdp.toml, if it is there."


def with_settings(
    *keys: str, panels: Mapping[str, str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator for commands that take `Settings` first, or `Loaded`.

    The command gets an option for each of `keys`, for those in `EVERYWHERE`, and `--config`; it is
    called with the settings that follow from all of them. A parameter of the command that is a
    dataclass stands for one option per field. `panels` names the panel of the help that some of
    `keys` stand in, if that is another one than that of all settings.
    """
    wanted = (*EVERYWHERE, *keys)
    panel_of = panels or {}
    by_key = {setting.key: setting for setting in all_settings()}
    options = [_option(by_key[key], panel_of.get(key, SETTINGS)) for key in wanted]
    options.append(_parameter("config", Path, "--config", _CONFIG_HELP, SETTINGS))

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        first, *own = signature.parameters.values()
        wants_origins = first.annotation is Loaded

        def run(**given: Any) -> None:
            config = given.pop("config")
            flags = {key: given.pop(key) for key in wanted}
            loaded = load_with_origins(flags, os.environ, config, _confirmed)
            command(loaded if wants_origins else loaded.settings, **given)

        return _spread(wraps(command)(run), own, options)

    return decorate


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A decorator for commands that need no settings. A parameter of the command that is a
    dataclass stands for one option per field."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    return _spread(command, list(own), [])


def _spread(
    command: Callable[..., None], own: list[inspect.Parameter], more: list[inspect.Parameter]
) -> Callable[..., None]:
    """A command with these parameters and `more`, an option for each field of those that are
    dataclasses."""
    groups: dict[str, Any] = {
        each.name: each.annotation for each in own if is_dataclass(each.annotation)
    }
    plain = [each for each in own if each.name not in groups]

    @wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{each.name: given.pop(each.name) for each in fields(group)})
        command(**given)

    grouped = [each for group in groups.values() for each in _parameters_of(group)]
    every = [*plain, *grouped, *more]
    run.__annotations__ = {each.name: each.annotation for each in every}
    vars(run)["__signature__"] = inspect.Signature(every)
    return run


def _confirmed(refusal: UsageError) -> bool:
    """Ask whether code may be taken from a file that nobody named; on a terminal alone."""
    if not (sys.stdin.isatty() and err.is_terminal):
        return False
    remark(str(refusal))
    return typer.confirm("Run it this time?", default=False, err=True)


def data_flags(settings: Settings) -> str:
    """The flags that name the same data again, for hints."""
    flags = [] if settings.data_dir == Settings.data_dir else [f"--data-dir {settings.data_dir}"]
    flags += [f"--log {settings.log}"] if settings.log else []
    flags += [f"--store {settings.store}"] if settings.store else []
    return " ".join(["", *flags])


def _parameters_of(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=hints[each.name],
        )
        for each in fields(group)
    ]


def _option(setting: Setting, panel: str) -> inspect.Parameter:
    meaning = setting.meaning
    if setting.default not in (None, "", False) and not get_args(setting.kind):
        meaning += f" [dim]\\[default: {_shown(setting.default)}][/dim]"
    return _parameter(setting.key, _type_of(setting), setting.flag, meaning, panel)


def _parameter(name: str, kind: Any, flag: str, meaning: str, panel: str) -> inspect.Parameter:
    option = typer.Option(
        flag,
        help=meaning,
        metavar="" if kind is bool else _METAVARS.get(name, "NAME"),
        show_default=False,
        rich_help_panel=panel,
    )
    annotation = Annotated[kind | None, option]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _type_of(setting: Setting) -> Any:
    """What the option reads; the choices are checked by `load`, whose message is better."""
    arguments = get_args(setting.kind)
    if Path in arguments:
        return Path
    return str if arguments else setting.kind


def _shown(default: object) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)
