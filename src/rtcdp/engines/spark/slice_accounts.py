"""The account of a slice, or of a part of one, from its packed columns. Runs in the executors."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from rtcdp.admission.verdicts import LEDGER_SCHEMA, VERDICTS
from rtcdp.clock import MINUTE_MS
from rtcdp.engines.spark.exchange import STANDS_FOR, Int64Array, SliceAccount, pack_frame
from rtcdp.log.contract import Records

_UNCOUNTED_ROW_BYTES = 300
"""What a row of an uncounted record takes besides its bytes, about."""


@dataclass(frozen=True)
class SlicePlace:
    """Where a slice stands among those of its partition and batch, its records, and the offsets and
    intake times of its events, packed."""

    partition: int
    position: int
    is_last: bool
    is_counted: bool
    records: Records
    times: bytes


def account_of_slice(
    events: pl.DataFrame, uncounted: pl.DataFrame, place: SlicePlace, candidate_count: int
) -> SliceAccount:
    """The account of whole records. `events` are those that may be admitted (with the columns of
    `EVENT_COLUMNS`), `uncounted` the others (`SLICE_UNCOUNTED_SCHEMA`)."""
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
        times=place.times,
        ledger=pack_frame(ledger_of(events, uncounted)),
    )


def ledger_of(events: pl.DataFrame, uncounted: pl.DataFrame) -> pl.DataFrame:
    """Rows of `LEDGER_SCHEMA`, with all `events` as admitted ones. `uncounted` say what each of
    them stands for."""
    verdict, received = pl.col("verdict"), pl.col(STANDS_FOR)
    minute = (pl.col("received_at") // MINUTE_MS * MINUTE_MS).alias("minute")
    return (
        pl.concat(
            [
                events.select(
                    *("source", minute, pl.lit("admitted").alias("verdict")),
                    pl.lit(1, pl.Int64).alias(STANDS_FOR),
                ),
                uncounted.select("source", minute, "verdict", STANDS_FOR),
            ]
        )
        .group_by("source", "minute")
        .agg(
            received.sum().alias("received"),
            *(received.filter(verdict == name).sum().alias(name) for name in VERDICTS),
            pl.lit(0, pl.Int64).alias("conflict"),
        )
        .select(LEDGER_SCHEMA.names())
        .sort("source", "minute")
    )


def with_stands_for(uncounted: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Rows of `UNCOUNTED_SCHEMA` of these records as rows of `SLICE_UNCOUNTED_SCHEMA`."""
    several = {each.offset: each.stands_for for each in records.odd if each.stands_for > 1}
    return uncounted.with_columns(
        pl.col("offset").replace_strict(several, default=1, return_dtype=pl.Int64).alias(STANDS_FOR)
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
