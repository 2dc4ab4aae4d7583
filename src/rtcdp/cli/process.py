"""The command `process`: the engine by itself, in the foreground."""

import logging
import re
import threading
from dataclasses import dataclass, replace
from typing import Annotated

import typer
from rich.text import Text

from rtcdp.cli.options import with_settings
from rtcdp.cli.terminal import end_of, named, number, say, tell_here
from rtcdp.clock import SystemClock
from rtcdp.errors import UsageError
from rtcdp.runtime.processes.signals import stop_at_signals
from rtcdp.runtime.processing import processor_of, run_processor
from rtcdp.runtime.settings import Settings, without_password
from rtcdp.store import EpochReport
from rtcdp.words import plural

SPARK = "Spark (with --engine spark)"

_log = logging.getLogger(__name__)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class HowSparkRuns:
    """The options of the command that are for Spark alone; settings too, under other names."""

    master: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="local[2], or a cluster: spark://HOST:7077.",
            rich_help_panel=SPARK,
        ),
    ] = None
    trigger: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="From one batch to the next: 1s, 500ms.", rich_help_panel=SPARK
        ),
    ] = None
    jars: Annotated[
        str | None,
        typer.Option(
            metavar="FILES",
            help="The jars of the Kafka connector, with commas. Without it: from Maven Central.",
            rich_help_panel=SPARK,
        ),
    ] = None

    spark_page: Annotated[
        bool, typer.Option("--spark-page", help="Show Spark's own page.", rich_help_panel=SPARK)
    ] = False
    conf: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A setting of Spark's, as spark-submit takes it; again for others.",
            rich_help_panel=SPARK,
        ),
    ] = None

    def applied_to(self, settings: Settings) -> Settings:
        """The settings with what was given here. Raises `UsageError` for a bad time, and for all of
        it when another engine is to work."""
        given = {"--master": self.master, "--trigger": self.trigger, "--jars": self.jars}
        flags = [flag for flag, value in given.items() if value is not None]
        flags += ["--spark-page"] * self.spark_page + ["--conf"] * bool(self.conf)
        if flags and settings.engine != "spark":
            raise UsageError(
                f"{flags[0]} is for Spark alone", "add --engine spark, or leave it out"
            )
        spark, trigger_s = settings.spark, seconds_of(self.trigger)
        return replace(
            settings,
            spark=replace(
                spark,
                master=spark.master if self.master is None else self.master,
                jars=spark.jars if self.jars is None else self.jars,
                trigger_s=spark.trigger_s if trigger_s is None else trigger_s,
                page=spark.page or self.spark_page,
                conf="\n".join([spark.conf, *(self.conf or [])]),
            ),
        )


@with_settings("engine", "catalog", "folds", "log_format")
def process(
    settings: Settings,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when it has caught up.")] = False,
    how: HowSparkRuns,
) -> None:
    """Fold the log into answers."""
    settings = how.applied_to(settings)
    clock, stop = SystemClock(), threading.Event()
    heard = stop_at_signals(stop)
    tell_here(settings, "processor", clock)
    where = f"{without_password(settings.log_url)} into {without_password(settings.store_url)}"
    on_epoch = tell_batch if settings.engine == "spark" else None
    if not once:
        engine = "" if settings.engine == "native" else f" with {settings.engine}"
        say(named(f"counts {where}{engine} (Ctrl-C stops it)"))
        run_processor(settings, clock, stop, on_epoch=on_epoch)
        end_of(heard)
        return
    sizes: list[int] = []
    with processor_of(settings, clock) as processor:

        def count(report: EpochReport) -> None:
            sizes.append(report.record_count)
            if on_epoch is not None:
                on_epoch(report)

        processor.listeners = replace(processor.listeners, on_epoch=count)
        processor.run(stop, once=True)
        epoch = processor.progress.epoch
    processed = f"epoch {epoch}: {plural(sum(sizes), 'record')} processed"
    if stop.is_set():
        say(Text(f"stopped early at {processed}, and there may be more to process", "yellow"))
    else:
        say(f"caught up at {processed}")
    end_of(heard, is_unfinished=stop.is_set())


def tell_batch(report: EpochReport) -> None:
    """A line for each batch of Spark's: they are few, and long."""
    waiting = "unknown" if report.waiting_offsets is None else number(report.waiting_offsets)
    _log.info(
        "epoch %d: %s records, %s admitted, in %s ms; counted up to %s; %s wait",
        report.epoch,
        number(report.record_count),
        number(report.admitted_count),
        number(round(report.duration_ms)),
        " ".join(f"{partition}:{end}" for partition, end in sorted(report.next_offsets.items())),
        waiting,
    )


def seconds_of(text: str | None) -> float | None:
    """`1s`, `500ms` or `2m` in seconds; None stays None. Raises `UsageError` for anything else."""
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--trigger is {text!r}", "give a time with its unit: 1s, 500ms or 2m")
    return float(match[1]) * _SECONDS[match[2]]
