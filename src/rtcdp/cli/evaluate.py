"""The commands `evaluate …`: how good is what is told, on data whose answer is known?"""

import typer

from rtcdp.cli.recommendation_quality import recommendations
from rtcdp.cli.terminal import PlainCommand, PlainGroup

evaluate = typer.Typer(
    name="evaluate",
    cls=PlainGroup,
    no_args_is_help=True,
    add_completion=False,
    help="Show how good answers are, on data whose outcome is known.",
)
evaluate.command("recommendations", cls=PlainCommand)(recommendations)


@evaluate.callback()
def _all_of_them() -> None:
    """A group stays one though it has a single command."""
