"""Bytewax: a dataflow of Python functions, its windows in Rust; state in memory alone."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from bytewax import operators
from bytewax.connectors.files import FileSink, FileSource
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.testing import cluster_main

from bench.rivals.contestant import STEP_MS, WINDOW_MS, WORKERS, Row, answer

_START = datetime(2026, 1, 1, tzinfo=UTC)
_LATE = timedelta(minutes=2)
_BATCH_LINES = 10_000

View = tuple[str, datetime]


def run(events: Path, out: Path) -> None:
    flow = Dataflow("page_views")
    lines = operators.input("lines", flow, FileSource(events, batch_size=_BATCH_LINES))
    views = operators.flat_map_batch("views", lines, _views)
    counted = windowing.count_window(
        "counts",
        views,
        windowing.EventClock(lambda view: view[1], _LATE),
        windowing.SlidingWindower(
            length=timedelta(milliseconds=WINDOW_MS),
            offset=timedelta(milliseconds=STEP_MS),
            align_to=_START,
        ),
        lambda view: view[0],
    )
    told = operators.map("told", counted.down, _told)
    operators.output("out", told, FileSink(out / "counts.tsv"))
    cluster_main(flow, [], 0, worker_count_per_proc=WORKERS)
    with (out / "counts.tsv").open("rb") as file:
        os.fsync(file.fileno())


def _views(lines: list[str]) -> list[View]:
    events = map(orjson.loads, lines)
    return [
        (event["userId"], datetime.fromisoformat(event["timestamp"]))
        for event in events
        if event["eventType"] == "PAGE_VIEW"
    ]


def _told(counted: tuple[str, tuple[int, int]]) -> tuple[str, str]:
    user, (window, count) = counted
    start = round(_START.timestamp() * 1_000) + window * STEP_MS
    return user, f"{start}\t{user}\t{count}"


def rows(out: Path) -> Iterator[Row]:
    with (out / "counts.tsv").open() as lines:
        for line in lines:
            start, user, count = line.split("\t")
            yield int(start), user, int(count)


if __name__ == "__main__":
    answer(run, rows)
