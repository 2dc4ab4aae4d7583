"""What the help leaves out: that a switch is a switch, that a name is a text, which numbers are
possible where the help says it in words, and how completion is installed where it was said already.
"""

from typing import Any

from typer.core import TyperCommand, TyperGroup


class PlainCommand(TyperCommand):
    """A command whose switches stand in its help without a type."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """The same for a command that has commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))


def without_types(params: list[Any]) -> list[Any]:
    """The same parameters; switches say nothing of a value, for they take none, and arguments
    nothing of Python's types."""
    for param in params:
        if param.param_type_name == "argument":
            param.display_type_rich = _nothing
        # Typer has no other way to leave it out.
        vars(param)["_get_number_range_help_str"] = _nothing
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    return params


def _nothing(**_: Any) -> None:
    return None
