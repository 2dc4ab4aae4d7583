"""The command `evaluate recommendations`: how good they are on recorded events, beside simpler
ways."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import polars as pl
import typer
from rich.text import Text

from rtcdp.cli.options import with_options
from rtcdp.cli.output import Form, Result, write
from rtcdp.cli.terminal import listing, number, progress_bar, remark, say
from rtcdp.errors import UsageError
from rtcdp.folds.sessions import Sessions
from rtcdp.recommendations.evaluation import (
    ABLATIONS,
    CLICKS_SCHEMA,
    WAYS,
    Evaluation,
    Plan,
    Quality,
    evaluate,
)
from rtcdp.sources.recorded.mapped_lines import mapped_lines
from rtcdp.sources.recorded.mapping import built_in_mappings, load_mapping
from rtcdp.sources.recorded.recorded_file import RecordedFile

_MAPPINGS = ", ".join(built_in_mappings())
_NAMES = ("userId", "sessionId", "productId")
_EVENTS = pl.Schema({**dict.fromkeys(_NAMES, pl.String()), "timestamp": pl.Int64()})


@dataclass(frozen=True)
class HowToEvaluate:
    """The options of the command."""

    mapping: Annotated[
        str, typer.Option("--mapping", metavar="NAME", help=f"{_MAPPINGS}, or a TOML file.")
    ] = "events"
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=1, help="How many days at the end to guess.")
    ] = 1
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Take each part of it away as well.")
    ] = False


@with_options
def recommendations(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A recorded file, plain, gzip or zstd.")
    ],
    *,
    how: HowToEvaluate,
    form: Form,
) -> None:
    """Guess what comes next in each session of a file, and show how often that is right."""
    clicks, damage = clicks_of(file, how.mapping)
    if clicks.is_empty():
        raise UsageError(
            f"no line of {file} is an event with a product", "give the --mapping of the file"
        )
    ways = {**WAYS, **(ABLATIONS if how.ablations else {})}
    with progress_bar() as bar:
        task = bar.add_task("guessing", total=None)
        found = evaluate(
            clicks,
            ways,
            Plan(held_out_days=how.days),
            lambda done, of: bar.update(task, completed=done, total=of),
        )
    rows = [asdict(each) for each in found.qualities]
    more = {name: value for name, value in asdict(found).items() if name != "qualities"}
    columns = tuple(Quality.__dataclass_fields__)
    write(Result(columns, rows, more), form, lambda: _show(found))
    if damage:
        remark(Text(damage, "yellow"))


def clicks_of(path: Path, mapping_name: str) -> tuple[pl.DataFrame, str]:
    """What a recorded file tells of products, as `CLICKS_SCHEMA` has it, and what is wrong with the
    file. A session is the client's own where it has one, else one that goes by the gap.

    Raises `PartMissing` where there is no such file, and `UsageError` for its mapping.
    """
    mapping = load_mapping(mapping_name)
    with RecordedFile(path) as file:
        rows = [
            (*(_text(members.get(name)) for name in _NAMES), at)
            for line in mapped_lines(file, mapping)
            if line.event is not None
            for at, members, _ in (line.event,)
        ]
        damage = file.damage or ""
    events = pl.DataFrame(rows, _EVENTS, orient="row").filter(
        pl.col("userId").is_not_null() & pl.col("productId").is_not_null()
    )
    return pl.concat(_sessions(events)), damage


def _text(value: object) -> str | None:
    """A member of an event, which may be JSON still."""
    decoded = msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
    return decoded if isinstance(decoded, str) else None


def _sessions(events: pl.DataFrame) -> Iterator[pl.DataFrame]:
    has_own = pl.col("sessionId").is_not_null()
    own = pl.concat_str("userId", pl.lit("\n"), "sessionId").alias("session")
    yield events.filter(has_own).select(own, pl.col("timestamp").alias("at"), item=_ITEM)
    by_gap = Sessions().started(events.filter(~has_own), "userId")
    start = pl.col("session_start").cast(pl.String)
    name = pl.concat_str("userId", pl.lit("\r"), start).alias("session")
    yield by_gap.select(name, pl.col("timestamp").alias("at"), item=_ITEM).cast(CLICKS_SCHEMA)


_ITEM = pl.col("productId")


def _show(found: Evaluation) -> None:
    say(
        f"{number(found.guesses)} guesses in {number(found.sessions)} sessions, "
        f"from {number(found.known_sessions)} sessions with {number(found.known_items)} products"
    )
    table = listing("", ">hit@10", ">hit@20", ">MRR@20", ">known", ">ms p50", ">p99")
    for column in table.columns:
        column.no_wrap = True
    for each in found.qualities:
        table.add_row(
            Text(each.way, "bold" if each.way == "rtcdp" else ""),
            f"{each.hit_rate_10:.3f}",
            f"{each.hit_rate_20:.3f}",
            f"{each.mrr_20:.3f}",
            f"{each.coverage_20:.0%}",
            f"{each.ms_p50:.2f}",
            f"{each.ms_p99:.2f}",
        )
    say(table)
    say(Text("known: the share of all products that was recommended at all", "dim"))
