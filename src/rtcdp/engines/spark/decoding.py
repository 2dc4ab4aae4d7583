"""From Kafka's records to slices and ids: decoded and packed. Runs in the executors.

Every Arrow batch holds consecutive records of one Kafka partition, since Spark reads a partition in
one task unless it is told otherwise; `rtcdp.engines.spark.accounts` checks that it did.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import pyarrow as pa

from rtcdp.admission.batch import (
    ADMITTED,
    DecodedBatch,
    account,
    decode_batch,
    reject,
    shown_ids,
)
from rtcdp.admission.erased import NOBODY_ERASED, ErasedUsers
from rtcdp.admission.order import due_times
from rtcdp.admission.rules import AdmissionRules
from rtcdp.engines.quarantine import FAILURES, halves, is_fault_of_a_record, rejection_for
from rtcdp.engines.spark.exchange import (
    BUCKETS,
    DECODED_ARROW_SCHEMA,
    IDENTITY_SCHEMA,
    NEVER,
    SLICE_UNCOUNTED_SCHEMA,
    Int64Array,
    SliceIds,
    are_among,
    bucket_of,
    pack,
    pack_frame,
    pack_offsets,
    pack_raw,
    pack_times,
)
from rtcdp.engines.spark.slice_accounts import (
    SlicePlace,
    account_of_slice,
    times_of,
    with_stands_for,
)
from rtcdp.events.columns import split_lines
from rtcdp.log.contract import Records
from rtcdp.log.envelope import WireBatch, records_of
from rtcdp.log.limits import Headers, Translation

_NONE = np.empty(0, np.int64)

BatchMapper = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Decoding:
    """How to decode: the `fields` of events that metrics need, the rules, and per partition the
    offset from which on records are counted. What comes before is decided: it only fills the index
    of ids, but for the records at the offsets in `passed_over` (sorted), which were late or dead
    letters. Of `erased` users nothing counts that happened before."""

    fields: tuple[str, ...]
    rules: AdmissionRules
    counted_from: Mapping[int, int]
    passed_over: Mapping[int, Int64Array] = field(default_factory=dict)
    erased: ErasedUsers = NOBODY_ERASED


def decoder(decoding: Decoding) -> BatchMapper:
    """What turns rows (value, partition, offset, timestamp, headers) into `DECODED_SCHEMA`."""

    def decode_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        position = 0
        waiting: tuple[Records, DecodedBatch] | None = None
        for batch in batches:
            for records in _pieces_of(batch, decoding.counted_from):
                for piece, decoded in _decoded_parts(records, decoding):
                    if waiting is not None:
                        yield from _rows_of(*waiting, decoding, position, is_last=False)
                        position += 1
                    waiting = piece, decoded
        if waiting is not None:
            yield from _rows_of(*waiting, decoding, position, is_last=True)

    return decode_batches


def translator(translation: Translation) -> BatchMapper:
    """What has the values of such rows go through `translation`."""

    def translate_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            values = batch.column("value").to_pylist()
            lines = translation(values, _headers_of(batch.column("headers")))
            column = batch.schema.get_field_index("value")
            yield batch.set_column(column, "value", pa.array(lines, pa.binary()))

    return translate_batches


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


def records_in(batch: pa.RecordBatch) -> Records:
    """The records of an Arrow batch, which are those of one partition and more than none."""
    return _records_of(
        batch, batch.column("partition")[0].as_py(), batch.column("offset").to_numpy()
    )


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


def _decoded_parts(records: Records, decoding: Decoding) -> Iterator[tuple[Records, DecodedBatch]]:
    """The records, decoded; one that can't be decoded is set aside, and the others are not."""
    try:
        yield records, decode_batch((records,), decoding.fields, decoding.rules, decoding.erased)
        return
    except FAILURES as error:
        if not is_fault_of_a_record(error):
            raise
        if records.record_count == 1:
            yield records, reject((records,), rejection_for(error))
            return
    for half in halves((records,)):
        for piece in half:
            yield from _decoded_parts(piece, decoding)


def _rows_of(
    records: Records, decoded: DecodedBatch, decoding: Decoding, position: int, *, is_last: bool
) -> Iterator[pa.RecordBatch]:
    is_counted = records.first_offset >= decoding.counted_from.get(records.partition, 0)
    if is_counted:
        is_admitted = decoded.verdicts == ADMITTED
    else:
        passed_over = decoding.passed_over.get(records.partition, _NONE)
        is_admitted = ~are_among(decoded.offsets, passed_over)
    candidates = np.flatnonzero(is_admitted & decoded.has_id)
    hashes = stable_id_hashes(decoded.events[candidates])
    offsets = decoded.offsets[candidates]
    ids = _Ids(
        offsets,
        hashes,
        decoded.received_at[candidates],
        _contents_of(decoded)[candidates],
        _due_at(records, offsets),
    )
    yield from _id_rows(records, ids, position, is_counted=is_counted)
    nothing = np.zeros(len(decoded.verdicts), np.bool_)
    uncounted = SLICE_UNCOUNTED_SCHEMA.to_frame(eager=True)
    if is_counted:
        found = account(decoded, decoded.verdicts, nothing).uncounted
        uncounted = with_stands_for(found, records)
    events = _countable(decoded, is_admitted, decoding.fields)
    slice_account = account_of_slice(
        events,
        uncounted,
        SlicePlace(
            *(records.partition, position, is_last, is_counted, records),
            pack_times(decoded.offsets, decoded.received_at),
        ),
        len(candidates),
    )
    packed: list[bytes | None] = [None, None, None]
    if is_counted:
        packed[0] = pack_frame(events)
        if len(candidates):
            packed[1] = pack_frame(_identities(decoded, candidates, hashes))
        if uncounted.height:
            packed[2] = pack_raw(uncounted)
    yield _row(records, -1 - position, None, pack(slice_account), *packed)


@dataclass(frozen=True)
class _Ids:
    """The candidates of a slice, in log order."""

    offsets: Int64Array
    hashes: Int64Array
    received_at: Int64Array
    contents: Int64Array
    due: Int64Array


def _id_rows(
    records: Records, ids: _Ids, position: int, *, is_counted: bool
) -> Iterator[pa.RecordBatch]:
    """A row a bucket. The first slice of a batch has none for buckets without ids; of the others
    each bucket learns the earliest due time, which those before depend on."""
    if len(ids.hashes) == 0 and position == 0:
        return
    is_plain = bool((ids.due == ids.received_at).all())
    oldest_due = int(_due_at(records, np.array([records.first_offset]))[0])
    buckets = bucket_of(ids.hashes)
    order = np.argsort(buckets, kind="stable")
    borders = np.searchsorted(buckets[order], np.arange(BUCKETS + 1))
    for bucket in range(BUCKETS):
        rows = order[borders[bucket] : borders[bucket + 1]]
        if len(rows) == 0 and position == 0:
            continue
        packed = SliceIds(
            partition=records.partition,
            position=position,
            is_counted=is_counted,
            oldest_due=oldest_due,
            hashes=pack_offsets(ids.hashes[rows]),
            received_at=pack_offsets(ids.received_at[rows]),
            contents=pack_offsets(ids.contents[rows]),
            offsets=pack_offsets(ids.offsets[rows]),
            due=b"" if is_plain else pack_offsets(ids.due[rows]),
        )
        yield _row(records, bucket, pack(packed))


def _due_at(records: Records, offsets: Int64Array) -> Int64Array:
    """The due time within the slice of what stands at these offsets: the earliest intake time from
    there on, of records whose intake time is known."""
    all_offsets, times = times_of(records)
    is_known = times > 0
    due = np.append(due_times(times[is_known]), NEVER)
    return due[np.searchsorted(all_offsets[is_known], offsets)]


def _row(records: Records, bucket: int, ids: bytes | None, *packed: bytes | None) -> pa.RecordBatch:
    account, events, identities, uncounted = packed or (None, None, None, None)
    return pa.RecordBatch.from_arrays(
        [
            pa.array([bucket], pa.int32()),
            pa.array([records.partition], pa.int32()),
            pa.array([records.first_offset], pa.int64()),
            pa.array([records.next_offset], pa.int64()),
            *(
                pa.array([each], pa.binary())
                for each in (ids, account, events, identities, uncounted)
            ),
        ],
        schema=DECODED_ARROW_SCHEMA,
    )


def _countable(
    decoded: DecodedBatch, is_admitted: npt.NDArray[np.bool_], fields: Sequence[str]
) -> pl.DataFrame:
    """What metrics and accounts need of those that may be admitted."""
    events = decoded.events.select(*fields, "source", "timestamp").with_columns(
        pl.Series("offset", decoded.offsets), pl.Series("received_at", decoded.received_at)
    )
    return events if is_admitted.all() else events.filter(is_admitted)


def _identities(
    decoded: DecodedBatch, rows: npt.NDArray[np.intp], hashes: Int64Array
) -> pl.DataFrame:
    events = decoded.events[rows]
    return pl.DataFrame(
        {
            "offset": decoded.offsets[rows],
            "id_hash": hashes,
            "event_id": shown_ids(events["eventId"]),
            "user_id": events["userId"],
        },
        schema=IDENTITY_SCHEMA,
    )


def _contents_of(decoded: DecodedBatch) -> Int64Array:
    """A hash of each record's bytes, the same in every process and on every machine."""
    contents = np.zeros(len(decoded.offsets), np.int64)
    if len(contents) == 0:
        return contents
    for piece in decoded.pieces:
        lines = split_lines(piece.lines) if piece.lines else pl.Series(dtype=pl.String)
        odd = {record.offset: record.raw for record in piece.odd}
        at = np.searchsorted(decoded.offsets, piece.offsets)
        contents[at] = _stable_hashes(lines)
        for row in np.flatnonzero(np.isin(decoded.offsets, list(odd))).tolist():
            raw = odd[int(decoded.offsets[row])].decode(errors="replace")
            contents[row] = _stable_hashes(pl.Series([raw]))[0]
    return contents


def stable_id_hashes(events: pl.DataFrame) -> Int64Array:
    """64-bit hashes of `source` and `eventId`, the same in every process and on every machine."""
    joined = pl.concat_str("source", pl.lit("\0"), "eventId").alias("id")
    return _stable_hashes(events.select(joined).to_series())


def _stable_hashes(texts: pl.Series) -> Int64Array:
    hashed = plh.col("text").nchash.xxhash64().reinterpret(signed=True)
    hashes: Int64Array = texts.alias("text").to_frame().select(hashed).to_series().to_numpy()
    return hashes
