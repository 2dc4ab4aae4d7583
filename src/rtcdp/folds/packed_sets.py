"""Small sets of values inside a row: the smallest of their hashes, as text that is joined exactly.

Which members are kept depends on the set alone, so the order of arrival changes nothing.
"""

import numpy as np
import polars as pl
import polars_hash as plh

from rtcdp.folds.segments import Ints

_SEPARATOR = ","


def hashed(texts: pl.Series) -> pl.Series:
    """The signed 64-bit hash of each text; null stays null."""
    frame = pl.DataFrame({"text": texts})
    hashes = plh.col("text").nchash.xxhash64().reinterpret(signed=True)
    return frame.select(pl.when(pl.col("text").is_not_null()).then(hashes))["text"]


def joined(groups: Ints, packed: pl.Series, hashes: pl.Series, members_max: int) -> pl.DataFrame:
    """The sets of all groups that have members, as `group`, `packed` and `size`.

    Each row of a group brings a packed set, or a single hash, or neither (null).
    """
    rows = pl.DataFrame({"group": groups, "packed": packed, "hash": hashes})
    single = rows.filter(pl.col("hash").is_not_null()).select("group", "hash")
    sets = rows.filter(pl.col("packed").is_not_null()).select("group", "packed")
    # A set alone in its group stays as it is.
    is_alone = sets["group"].is_unique() & ~sets["group"].is_in(single["group"].unique().implode())
    alone = sets.filter(is_alone)
    split = pl.col("packed").str.split(_SEPARATOR).alias("hash")
    unpacked = sets.filter(~is_alone).select("group", split).explode("hash")
    members = pl.concat([unpacked.cast({"hash": pl.Int64}), single]).unique()
    members = members.sort("group", "hash")
    is_first = np.append(True, np.diff(members["group"].to_numpy()) != 0)[: members.height]
    rank = np.arange(members.height) - np.maximum.accumulate(
        np.where(is_first, np.arange(members.height), 0)
    )
    repacked = (
        members.filter(rank < members_max)
        .with_columns(pl.col("hash").cast(pl.String))
        .group_by("group", maintain_order=True)
        .agg(pl.col("hash").str.join(_SEPARATOR).alias("packed"))
    )
    size = (pl.col("packed").str.count_matches(_SEPARATOR, literal=True) + 1).cast(pl.Int64)
    return pl.concat([alone, repacked]).with_columns(size.alias("size"))
