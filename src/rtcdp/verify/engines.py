"""Runs several engines over the same log, each into a store of its own, and compares what they say.

The store of the installation is not touched. The first engine decides where the log ends; the
others read exactly that far, whatever comes in meanwhile.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import polars as pl

from rtcdp.admission.verdicts import VERDICTS
from rtcdp.clock import Clock
from rtcdp.definitions import Metric, tables_of
from rtcdp.errors import UsageError
from rtcdp.log.contract import LogReader
from rtcdp.log.views import BoundedLogReader
from rtcdp.private_files import make_private_folder
from rtcdp.runtime.parts import folds_of, log_reader, store_of, stored_metrics_of
from rtcdp.runtime.processing import processor_on
from rtcdp.runtime.settings import EngineName, Settings, require_present
from rtcdp.store import Store
from rtcdp.verify.store_against_log import (
    LEDGER,
    Difference,
    Verification,
    exact_differences,
    rows_by_key,
)

ENGINES: tuple[EngineName, ...] = get_args(EngineName)

_LEDGER_ROWS = 2**31

EngineHandler = Callable[[str], None]
"""Takes the name of the engine that starts now."""


@dataclass(frozen=True)
class EngineRun:
    """What an engine made of the log: rows of every table and of the ledger, by their keys."""

    engine: str
    rows: Mapping[str, Mapping[tuple[object, ...], tuple[object, ...]]]
    next_offsets: Mapping[int, int]
    records: int


def parse_engines(text: str) -> tuple[EngineName, ...]:
    """`native,spark` as names. Raises `UsageError` unless they are two or more different ones."""
    given = [name.strip() for name in text.split(",")]
    names = tuple(name for wanted in given for name in ENGINES if name == wanted)
    if len(set(given)) < len(given) or len(given) < 2 or len(names) < len(given):
        raise UsageError(
            f"--engines {text!r} doesn't name engines to compare",
            f"name them like this: --engines {','.join(ENGINES)}",
        )
    return names


def compare_engines(
    settings: Settings,
    engines: Sequence[EngineName],
    clock: Clock,
    directory: Path,
    on_engine: EngineHandler = lambda _name: None,
) -> Verification:
    """Run `engines` over the installation's log, and compare every row with the first one's.

    Stores and checkpoints are made in `directory`, which must be empty. In a `Difference`,
    `expected` is what the first engine says. Raises `PartMissing` and `UsageError` when an engine
    can't run on this log.
    """
    # Spark can't be told where to end, so it goes first and the others follow it.
    ordered = sorted(engines, key=lambda name: name != "spark")
    metrics = stored_metrics_of(settings)
    for name in ordered:
        require_present(replace(settings, engine=name))
    runs: dict[str, EngineRun] = {}
    with log_reader(settings) as log:
        bounded: LogReader = log
        for name in ordered:
            on_engine(name)
            own = replace(
                settings,
                engine=name,
                data_dir=directory / name,
                log=settings.log_url,
                store="",
                spark=replace(settings.spark, checkpoint=""),
            )
            runs[name] = _run(own, bounded, metrics, clock)
            bounded = BoundedLogReader(log, runs[ordered[0]].next_offsets)
    first, *others = (runs[name] for name in engines)
    differences = differences_between(first, others)
    return Verification(
        differences=tuple(differences),
        tables=len(first.rows),
        rows=sum(map(len, first.rows.values())),
        events=first.records,
    )


def differences_between(first: EngineRun, others: Sequence[EngineRun]) -> list[Difference]:
    """Every row that is not the first engine's; `note` says which engine has it so. A table that
    one of them does not have is not compared."""
    return [
        replace(difference, note=other.engine)
        for other in others
        for table, rows in first.rows.items()
        if table in other.rows
        for difference in exact_differences(table, rows, other.rows[table])
    ]


def _run(settings: Settings, log: LogReader, metrics: Sequence[Metric], clock: Clock) -> EngineRun:
    with _own_store(settings) as store:
        folds = folds_of(settings)
        processor = processor_on(settings, log, store, clock, metrics, folds)
        processor.run(threading.Event(), once=True)
        rows = {
            table.name: rows_by_key(table, store.dump(table))
            for metric in metrics
            for table in tables_of(metric)
        }
        told = store.row_tables()
        rows |= {
            fold.name: rows_by_key(fold.table, store.dump(fold.table))
            for fold in folds
            if fold.name in told
        }
        with store.snapshot() as snapshot:
            ledger = snapshot.ledger(limit=_LEDGER_ROWS)
            progress = snapshot.progress
    return EngineRun(
        engine=settings.engine,
        rows={**rows, LEDGER: _ledger_rows(ledger)},
        next_offsets=progress.next_offsets,
        records=int(ledger["received"].sum()),
    )


@contextmanager
def _own_store(settings: Settings) -> Iterator[Store]:
    make_private_folder(settings.data_dir)
    with store_of(settings) as store:
        yield store


def _ledger_rows(ledger: pl.DataFrame) -> dict[tuple[object, ...], tuple[object, ...]]:
    columns = ("source", "minute", "received", *VERDICTS, "conflict")
    return {row[:2]: row[2:] for row in ledger.select(columns).iter_rows()}
