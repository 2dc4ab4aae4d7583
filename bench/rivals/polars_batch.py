"""Polars reads the file once it is whole: the floor, what columns alone cost."""

import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from bench.rivals.contestant import STEP_MS, WINDOW_MS, Row, answer

_FIELDS = {"userId": pl.String, "eventType": pl.String, "timestamp": pl.String}
_FORMAT = "%Y-%m-%dT%H:%M:%S%.3fZ"


def run(events: Path, out: Path) -> None:
    at = pl.col("timestamp").str.to_datetime(_FORMAT, time_unit="ms").cast(pl.Int64)
    newest = at - at % STEP_MS
    steps = (
        pl.scan_ndjson(events, schema=_FIELDS)
        .filter(pl.col("eventType") == "PAGE_VIEW")
        .group_by("userId", newest=newest)
        .len()
        .collect(engine="streaming")
    )
    windows = pl.concat(
        steps.with_columns(start=pl.col("newest") - back) for back in range(0, WINDOW_MS, STEP_MS)
    )
    counts = windows.group_by("start", "userId").agg(pl.col("len").sum())
    with (out / "counts.parquet").open("wb") as file:
        counts.write_parquet(file)
        file.flush()
        os.fsync(file.fileno())


def rows(out: Path) -> Iterator[Row]:
    yield from pl.read_parquet(out / "counts.parquet").select("start", "userId", "len").iter_rows()


if __name__ == "__main__":
    answer(run, rows)
