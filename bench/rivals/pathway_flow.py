"""Pathway: an incremental dataflow in Rust, described by Python; state in memory alone."""

import csv
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bench.rivals.contestant import STEP_MS, WINDOW_MS, WORKERS, Row, answer

# It is read when the package is imported.
os.environ["PATHWAY_THREADS"] = str(WORKERS)

import pathway as pw

_FORMAT = "%Y-%m-%dT%H:%M:%S%.3fZ"


class Event(pw.Schema):
    userId: str
    eventType: str
    timestamp: str


def run(events: Path, out: Path) -> None:
    lines = pw.io.jsonlines.read(str(events), schema=Event, mode="static")
    views = lines.filter(pw.this.eventType == "PAGE_VIEW").select(
        pw.this.userId, at=pw.this.timestamp.dt.strptime(_FORMAT)
    )
    window = pw.temporal.sliding(
        hop=timedelta(milliseconds=STEP_MS), duration=timedelta(milliseconds=WINDOW_MS)
    )
    counts = views.windowby(views.at, window=window, instance=views.userId).reduce(
        start=pw.this._pw_window_start.dt.timestamp(unit="ms"),
        user=pw.this._pw_instance,
        count=pw.reducers.count(),
    )
    pw.io.csv.write(counts, str(out / "counts.csv"))
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    with (out / "counts.csv").open("rb") as file:
        os.fsync(file.fileno())


def rows(out: Path) -> Iterator[Row]:
    with (out / "counts.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if int(row["diff"]) > 0:
                yield round(float(row["start"])), row["user"], int(row["count"])


if __name__ == "__main__":
    answer(run, rows)
