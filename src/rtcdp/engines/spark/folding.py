"""Slices unpacked again, in the executors: the events to group, and those that are duplicates."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import pyarrow as pa

from rtcdp.engines.spark.lowering import member_column
from rtcdp.engines.spark.screening import BatchMapper
from rtcdp.engines.spark.slices import Int64Array, unpack_frame

_NUMBERS = frozenset({"value"})

DUPLICATES_SCHEMA = (
    "partition int, offset bigint, source string, received_at bigint, event_id string,"
    " user_id string, event_time bigint"
)
"""Rows of `IDENTITY_SCHEMA` with their partition."""


@dataclass(frozen=True)
class Unpacking:
    """Which columns to unpack: the `fields` of events, of which `distinct` are hashed as well; and
    the offsets of the `duplicates` by partition, sorted."""

    fields: tuple[str, ...]
    distinct: tuple[str, ...]
    duplicates: Mapping[int, Int64Array]

    @property
    def schema(self) -> str:
        """The columns of the admitted events, as Spark names types."""
        types = ["double" if field in _NUMBERS else "string" for field in self.fields]
        columns = [f"`{name}` {kind}" for name, kind in zip(self.fields, types, strict=True)]
        columns += ["source string", "timestamp bigint"]
        columns += [f"`{member_column(field)}` bigint" for field in self.distinct]
        return ", ".join(columns)


def event_unpacker(unpacking: Unpacking) -> BatchMapper:
    """What turns rows (partition, events) into the admitted events."""
    schema = pa.schema(
        [(field, pa.float64() if field in _NUMBERS else pa.string()) for field in unpacking.fields]
        + [("source", pa.string()), ("timestamp", pa.int64())]
        + [(member_column(field), pa.int64()) for field in unpacking.distinct]
    )
    members = [
        plh.col(field).nchash.xxhash64().reinterpret(signed=True).alias(member_column(field))
        for field in unpacking.distinct
    ]

    def unpack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for partition, packed in _packed(batches, "events"):
            events = unpack_frame(packed)
            duplicates = unpacking.duplicates.get(partition)
            if duplicates is not None:
                events = events.filter(~_are_among(events["offset"].to_numpy(), duplicates))
            yield from _batches(events.with_columns(members), schema)

    return unpack


def duplicate_unpacker(duplicates: Mapping[int, Int64Array]) -> BatchMapper:
    """What turns rows (partition, identities) into rows of `DUPLICATES_SCHEMA`."""
    schema = pa.schema(
        [
            ("partition", pa.int32()),
            ("offset", pa.int64()),
            ("source", pa.string()),
            ("received_at", pa.int64()),
            ("event_id", pa.string()),
            ("user_id", pa.string()),
            ("event_time", pa.int64()),
        ]
    )

    def unpack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for partition, packed in _packed(batches, "identities"):
            if partition in duplicates:
                rows = unpack_frame(packed)
                rows = rows.filter(_are_among(rows["offset"].to_numpy(), duplicates[partition]))
                number = pl.lit(partition, dtype=pl.Int32).alias("partition")
                yield from _batches(rows.with_columns(number), schema)

    return unpack


def _packed(batches: Iterator[pa.RecordBatch], column: str) -> Iterator[tuple[int, bytes]]:
    for batch in batches:
        partitions, values = batch.column("partition").to_pylist(), batch.column(column)
        for partition, packed in zip(partitions, values, strict=True):
            yield partition, packed.as_py()


def _batches(frame: pl.DataFrame, schema: pa.Schema) -> Sequence[pa.RecordBatch]:
    table = frame.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    batches: list[pa.RecordBatch] = table.cast(schema).to_batches()
    return batches


def _are_among(offsets: Int64Array, wanted: Int64Array) -> npt.NDArray[np.bool_]:
    """Which of the offsets are in `wanted`, which is sorted and not empty."""
    places = np.searchsorted(wanted, offsets)
    places[places == len(wanted)] = 0
    is_among: npt.NDArray[np.bool_] = wanted[places] == offsets
    return is_among
