"""The command `evaluate`: how well the answers tell what is known."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rtcdp.anomalies import Alarm, Found, Verdict, ms_of, read_labels
from rtcdp.answers.evaluation import evaluate_anomalies
from rtcdp.answers.instant import iso_ms
from rtcdp.cli.anomalies import installation_of
from rtcdp.cli.options import with_settings
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.recommendation_quality import recommendations
from rtcdp.cli.terminal import PlainCommand, PlainGroup, listing, moment, number, say
from rtcdp.errors import PartMissing
from rtcdp.runtime.settings import Settings

evaluate = typer.Typer(
    name="evaluate",
    cls=PlainGroup,
    add_completion=False,
    no_args_is_help=True,
    help="Measure how well the answers tell what is known.",
)

_COLUMNS = ("cause", "from", "to", "alarms", "first_window", "metric")


@evaluate.callback()
def _group() -> None:
    """Measure how well the answers tell what is known."""


evaluate.command("recommendations", cls=PlainCommand)(recommendations)


@evaluate.command("anomalies", cls=PlainCommand)
@with_settings("catalog")
def evaluate_anomalies_command(
    settings: Settings,
    labels: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="What happened, as rtcdp generate --labels writes it."),
    ],
    *,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Of this metric, several times for more; without it, of all that are watched.",
        ),
    ] = None,
    form: Form,
) -> None:
    """Show which incidents were told as anomalies, how soon, and what was told for nothing."""
    try:
        text = labels.read_bytes()
    except OSError as error:
        raise PartMissing(
            f"{labels} can't be read: {error.strerror}",
            "name a file that rtcdp generate --labels has written",
        ) from error
    known = read_labels(text)
    with installation_of(settings) as installation:
        verdict = evaluate_anomalies(installation, known, metric or ())
    more = {
        "precision": verdict.precision,
        "recall": verdict.recall,
        "alarms": verdict.alarms,
        "false_alarms": [_false(alarm) for alarm in verdict.false_alarms],
    }
    result = Result(_COLUMNS, [_row(found) for found in verdict.found], more)
    write(result, form, lambda: _show(verdict))


def _row(found: Found) -> dict[str, object]:
    values = (
        found.label.cause,
        iso_ms(ms_of(found.label.begin)),
        iso_ms(ms_of(found.label.end)),
        found.alarms,
        found.first_window,
        found.metric,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _false(alarm: Alarm) -> dict[str, object]:
    return {
        "metric": alarm.metric.name,
        "key": alarm.key,
        "window_start": iso_ms(alarm.start_ms),
        "direction": alarm.direction,
    }


def _show(verdict: Verdict) -> None:
    table = listing("begins", "cause", ">alarms", ">in window", "of")
    for found in verdict.found:
        table.add_row(
            moment(ms_of(found.label.begin)),
            found.label.cause,
            Text(number(found.alarms), "" if found.alarms else "bold red"),
            "" if found.first_window is None else number(found.first_window),
            found.metric or "",
        )
    say(table)
    for alarm in verdict.false_alarms:
        what = " ".join((alarm.metric.name, *alarm.key.values(), alarm.direction))
        say(Text(f"told for nothing: {moment(alarm.start_ms)} {what}", "yellow"))
    right = verdict.alarms - len(verdict.false_alarms)
    hits = sum(found.alarms > 0 for found in verdict.found)
    say(
        f"{hits:,} of {len(verdict.found):,} incidents told (recall {_share(verdict.recall)}), "
        f"{right:,} of {verdict.alarms:,} alarms right (precision {_share(verdict.precision)})"
    )


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
