"""After the index of ids: what survived, in as few rows as there are partitions. In the executors.

The rows of a batch are kept until the batch is committed, so there should not be one an event.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from rtcdp.engines.spark.slices import Int64Array, pack_offsets

_ARROW_SCHEMA = pa.schema(
    [
        ("partition", pa.int32()),
        ("offsets", pa.binary()),
        ("account", pa.binary()),
        ("events", pa.binary()),
        ("identities", pa.binary()),
    ]
)


def pack_survivors(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of `SCREENED_SCHEMA` as rows of `SURVIVORS_SCHEMA`."""
    survivors: defaultdict[int, list[Int64Array]] = defaultdict(list)
    for batch in batches:
        slices = batch.filter(batch.column("account").is_valid())
        slim = batch.filter(batch.column("account").is_null())
        if slices.num_rows:
            yield _slices(slices)
        partitions, offsets = slim.column("partition").to_numpy(), slim.column("offset").to_numpy()
        for partition in np.unique(partitions).tolist():
            survivors[partition].append(offsets[partitions == partition])
    if survivors:
        yield _offsets(survivors)


def _slices(slices: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            slices.column("partition"),
            pa.nulls(slices.num_rows, pa.binary()),
            slices.column("account"),
            slices.column("events"),
            slices.column("identities"),
        ],
        schema=_ARROW_SCHEMA,
    )


def _offsets(survivors: dict[int, list[Int64Array]]) -> pa.RecordBatch:
    nothing = pa.nulls(len(survivors), pa.binary())
    packed = [pack_offsets(np.sort(np.concatenate(parts))) for parts in survivors.values()]
    return pa.RecordBatch.from_arrays(
        [
            pa.array(list(survivors), pa.int32()),
            pa.array(packed, pa.binary()),
            nothing,
            nothing,
            nothing,
        ],
        schema=_ARROW_SCHEMA,
    )
