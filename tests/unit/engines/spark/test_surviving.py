"""What the index of ids lets through becomes a row a partition."""

import polars as pl
import pyarrow as pa
from rtcdp.engines.spark.surviving import pack_survivors

from rtcdp.engines.spark.slices import unpack_offsets

SCHEMA = pa.schema(
    [("partition", pa.int32()), ("offset", pa.int64())]
    + [(name, pa.binary()) for name in ("account", "events", "identities")]
)


def rows(*given: tuple[int, int, bytes | None]) -> pa.RecordBatch:
    columns = list(zip(*((p, o, a, a, None) for p, o, a in given), strict=True))
    return pa.RecordBatch.from_arrays(
        [pa.array(column, kind.type) for column, kind in zip(columns, SCHEMA, strict=True)],
        schema=SCHEMA,
    )


def test_offsets_are_gathered_by_partition_and_slices_stay() -> None:
    batches = [rows((0, 5, None), (1, 2, None), (0, 3, b"slice")), rows((0, 1, None))]
    packed = pl.DataFrame(pa.Table.from_batches(pack_survivors(iter(batches))))
    assert packed.filter(pl.col("account").is_not_null())["account"].to_list() == [b"slice"]
    offsets = {
        partition: unpack_offsets(each).tolist()
        for partition, each in packed.filter(pl.col("offsets").is_not_null())
        .select("partition", "offsets")
        .rows()
    }
    assert offsets == {0: [1, 5], 1: [2]}


def test_of_nothing_nothing_comes() -> None:
    assert list(pack_survivors(iter([]))) == []
