"""The account of a slice, or of a part of one, from its packed columns. Runs in the executors."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from rtcdp.engines.engine import LEDGER_SCHEMA
from rtcdp.engines.spark.slices import Int64Array, SliceAccount, pack_frame
from rtcdp.engines.spark.witnessing import witnessed_in
from rtcdp.log.log import Records

_MINUTE_MS = 60_000
_VERDICTS = ("admitted", "duplicate", "late", "dead_letter")
_UNCOUNTED_ROW_BYTES = 300
"""What a row of an uncounted record takes besides its bytes, about."""


@dataclass(frozen=True)
class SlicePlace:
    """Where a slice stands among those of its partition and batch, and its records."""

    partition: int
    position: int
    is_last: bool
    is_counted: bool
    records: Records


def account_of_slice(
    events: pl.DataFrame, uncounted: pl.DataFrame, place: SlicePlace, candidate_count: int
) -> SliceAccount:
    """The account of whole records. `events` are those that may be admitted (with the columns of
    `EVENT_COLUMNS`), `uncounted` the others (`UNCOUNTED_SCHEMA`)."""
    records = place.records
    _, received_at = times_of(records)
    times = pl.concat([events["timestamp"], uncounted["event_time"]]).drop_nulls()
    return SliceAccount(
        partition=place.partition,
        position=place.position,
        is_last=place.is_last,
        is_counted=place.is_counted,
        first_offset=records.first_offset,
        next_offset=records.next_offset,
        record_count=records.record_count,
        candidate_count=candidate_count,
        value_bytes=len(records.lines) + sum(len(record.raw) for record in records.odd),
        uncounted_count=uncounted.height,
        uncounted_bytes=int(weights_of(uncounted).sum()),
        min_event_time=_whole(times.min()),
        max_event_time=_whole(times.max()),
        max_received_at=int(received_at.max(initial=0)),
        witnessed=witnessed_in(received_at),
        ledger=pack_frame(ledger_of(events, uncounted)),
    )


def ledger_of(events: pl.DataFrame, uncounted: pl.DataFrame) -> pl.DataFrame:
    """Rows of `LEDGER_SCHEMA`, with all `events` as admitted ones."""
    verdict = pl.col("verdict")
    minute = (pl.col("received_at") // _MINUTE_MS * _MINUTE_MS).alias("minute")
    return (
        pl.concat(
            [
                events.select("source", minute, pl.lit("admitted").alias("verdict")),
                uncounted.select("source", minute, "verdict"),
            ]
        )
        .group_by("source", "minute")
        .agg(
            pl.len().cast(pl.Int64).alias("received"),
            *((verdict == name).sum().cast(pl.Int64).alias(name) for name in _VERDICTS),
            pl.lit(0, pl.Int64).alias("conflict"),
        )
        .select(LEDGER_SCHEMA.names())
        .sort("source", "minute")
    )


def weights_of(uncounted: pl.DataFrame) -> pl.Series:
    """About how many bytes each of these rows takes on the driver."""
    return uncounted["raw"].bin.size().fill_null(0).cast(pl.Int64) + _UNCOUNTED_ROW_BYTES


def times_of(records: Records) -> tuple[Int64Array, Int64Array]:
    """The offsets and intake times of all records, in log order."""
    if not records.odd:
        return records.offsets, records.received_at
    offsets = np.append(records.offsets, [record.offset for record in records.odd])
    times = np.append(records.received_at, [record.received_at for record in records.odd])
    order = np.argsort(offsets)
    return offsets[order].astype(np.int64), times[order].astype(np.int64)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None
