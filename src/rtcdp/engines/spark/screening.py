"""From Kafka's records to slices and slim rows: decoded, judged, packed. Runs in the executors.

Every Arrow batch holds consecutive records of one Kafka partition, since Spark reads a partition in
one task unless it is told otherwise; `rtcdp.engines.spark.accounts` checks that it did.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import pyarrow as pa

from rtcdp.engines.admission import ADMITTED, Screened, account, screen
from rtcdp.engines.spark.slices import (
    IDENTITY_SCHEMA,
    SliceAccount,
    pack_account,
    pack_frame,
    pack_offsets,
)
from rtcdp.events.rules import AdmissionRules
from rtcdp.log.log import Records
from rtcdp.log.wire_records import Headers, WireBatch, records_of

BatchMapper = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

_ARROW_SCHEMA = pa.schema(
    [
        ("key", pa.int64()),
        ("received_at", pa.timestamp("us", "UTC")),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("account", pa.binary()),
        ("events", pa.binary()),
        ("identities", pa.binary()),
    ]
)


@dataclass(frozen=True)
class Screening:
    """How to screen: the `fields` of events that metrics need, the rules, and per partition the
    offset from which on records are counted; what comes before only fills the index of ids."""

    fields: tuple[str, ...]
    rules: AdmissionRules
    counted_from: Mapping[int, int]


def screener(screening: Screening) -> BatchMapper:
    """What turns rows (value, partition, offset, timestamp, headers) into `SCREENED_SCHEMA`."""

    def screen_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        position = 0
        waiting: Records | None = None
        for batch in batches:
            for records in _pieces_of(batch, screening.counted_from):
                if waiting is not None:
                    yield from _screened(waiting, screening, position, is_last=False)
                    position += 1
                waiting = records
        if waiting is not None:
            yield from _screened(waiting, screening, position, is_last=True)

    return screen_batches


def _pieces_of(batch: pa.RecordBatch, counted_from: Mapping[int, int]) -> Iterator[Records]:
    """The records of an Arrow batch; apart, where the counted ones begin within it."""
    if batch.num_rows == 0:
        return
    offsets = batch.column("offset").to_numpy()
    partition = batch.column("partition")[0].as_py()
    split = int(np.searchsorted(offsets, counted_from.get(partition, 0)))
    for start, stop in ((0, split), (split, len(offsets))):
        if start < stop:
            yield _records_of(batch.slice(start, stop - start), partition, offsets[start:stop])


def _records_of(batch: pa.RecordBatch, partition: int, offsets: npt.NDArray[np.int64]) -> Records:
    timestamps = batch.column("timestamp").cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    return records_of(
        WireBatch(
            partition=partition,
            first_offset=int(offsets[0]),
            next_offset=int(offsets[-1]) + 1,
            values=batch.column("value").to_pylist(),
            offsets=offsets,
            timestamps=timestamps // 1000,
            headers=_headers_of(batch.column("headers")),
        )
    )


def _headers_of(column: pa.Array) -> Sequence[Headers | None] | None:
    """The headers of each record, which come as JSON with their values in base64; None where no
    record has any."""
    if column.null_count == len(column):
        return None
    return [None if text is None else _pairs_of(text) for text in column.to_pylist()]


def _pairs_of(text: str) -> list[tuple[str, bytes | None]]:
    return [
        (pair["key"], b64decode(pair["value"]) if "value" in pair else None)
        for pair in json.loads(text)
    ]


def _screened(
    records: Records, screening: Screening, position: int, *, is_last: bool
) -> Iterator[pa.RecordBatch]:
    screened = screen(records, screening.fields, screening.rules)
    is_candidate = (screened.verdicts == ADMITTED) & screened.has_id
    candidates = np.flatnonzero(is_candidate)
    is_counted = records.first_offset >= screening.counted_from.get(records.partition, 0)
    provisional = account(screened, screened.verdicts, np.zeros(len(screened.verdicts), np.bool_))
    received_at = screened.received_at[candidates]
    slice_account = SliceAccount(
        partition=records.partition,
        position=position,
        is_last=is_last,
        is_counted=is_counted,
        first_offset=records.first_offset,
        next_offset=records.next_offset,
        record_count=records.received_count,
        admitted_count=provisional.events.height,
        candidates=pack_offsets(screened.offsets[candidates]),
        oldest_candidate=int(received_at.min()) if len(received_at) else None,
        min_event_time=provisional.min_event_time,
        max_event_time=provisional.max_event_time,
        max_received_at=_newest(records),
        ledger=pack_frame(provisional.ledger),
        uncounted=pack_frame(provisional.uncounted),
    )
    yield _slim_rows(screened, candidates)
    yield _slice_row(slice_account, screened, candidates, screening.fields)


def _slim_rows(screened: Screened, rows: npt.NDArray[np.intp]) -> pa.RecordBatch:
    nothing = pa.nulls(len(rows), pa.binary())
    received_at = pa.array(screened.received_at[rows] * 1000, pa.int64())
    return pa.RecordBatch.from_arrays(
        [
            pa.array(stable_id_hashes(screened.events[rows]), pa.int64()),
            received_at.cast(pa.timestamp("us", "UTC")),
            pa.array(screened.partitions[rows].astype(np.int32), pa.int32()),
            pa.array(screened.offsets[rows], pa.int64()),
            nothing,
            nothing,
            nothing,
        ],
        schema=_ARROW_SCHEMA,
    )


def _slice_row(
    slice_account: SliceAccount,
    screened: Screened,
    candidates: npt.NDArray[np.intp],
    fields: Sequence[str],
) -> pa.RecordBatch:
    """One row; the packed columns are null where nobody will ask for them."""
    events = identities = None
    if slice_account.is_counted:
        events = pack_frame(_countable(screened, fields))
        identities = pack_frame(_identities(screened, candidates)) if len(candidates) else None
    place = (slice_account.partition, slice_account.first_offset)
    return pa.RecordBatch.from_arrays(
        [
            pa.array([_place_hash(*place)], pa.int64()),
            pa.nulls(1, pa.timestamp("us", "UTC")),
            pa.array([place[0]], pa.int32()),
            pa.array([place[1]], pa.int64()),
            pa.array([pack_account(slice_account)], pa.binary()),
            pa.array([events], pa.binary()),
            pa.array([identities], pa.binary()),
        ],
        schema=_ARROW_SCHEMA,
    )


def _countable(screened: Screened, fields: Sequence[str]) -> pl.DataFrame:
    """What metrics need of the candidates, and their offsets."""
    is_admitted = screened.verdicts == ADMITTED
    events = screened.events.select(*fields, "source", "timestamp").with_columns(
        pl.Series("offset", screened.offsets)
    )
    return events if is_admitted.all() else events.filter(is_admitted)


def _identities(screened: Screened, rows: npt.NDArray[np.intp]) -> pl.DataFrame:
    events = screened.events[rows]
    return pl.DataFrame(
        {
            "offset": screened.offsets[rows],
            "source": events["source"],
            "received_at": screened.received_at[rows],
            "event_id": events["eventId"],
            "user_id": events["userId"],
            "event_time": events["timestamp"],
        },
        schema=IDENTITY_SCHEMA,
    )


def stable_id_hashes(events: pl.DataFrame) -> npt.NDArray[np.int64]:
    """64-bit hashes of `source` and `eventId`, the same in every process and on every machine."""
    joined = pl.concat_str("source", pl.lit("\0"), "eventId").alias("id")
    hashed = plh.col("id").nchash.xxhash64().reinterpret(signed=True)
    hashes: npt.NDArray[np.int64] = events.select(joined).select(hashed).to_series().to_numpy()
    return hashes


def _place_hash(partition: int, first_offset: int) -> int:
    place = pl.DataFrame({"place": [f"slice {partition} {first_offset}"]})
    hashed = plh.col("place").nchash.xxhash64().reinterpret(signed=True)
    return int(place.select(hashed).item())


def _newest(records: Records) -> int:
    odd = max((record.received_at for record in records.odd), default=0)
    return max(odd, int(records.received_at.max()) if len(records.received_at) else 0)
