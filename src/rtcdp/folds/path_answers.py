"""What rows of paths answer: which whole paths were gone most, and where people stopped.

What is limited are whole paths: the rare ones together are "other", and nobody looks as if they had
left who only went on along a rare way.
"""

from collections.abc import Sequence

import msgspec
import polars as pl

from rtcdp.breather import Breather
from rtcdp.folds.paths import NODES_MAX

_GONE = "gone"
_ALIKE = ("path", "length", "is_cut")


def alike(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows, or rows that were told together, with equal paths told as one, which says how often it
    was `gone`."""
    if _GONE in rows.columns:
        return rows.group_by(_ALIKE).agg(pl.col(_GONE).sum())
    return rows.group_by(_ALIKE).agg(pl.len().cast(pl.Int64).alias(_GONE))


def whole_paths(rows: pl.DataFrame, limit: int) -> pl.DataFrame:
    """The most frequent paths with how many have gone them, and a last row, whose `path` is null,
    for all others together. Of equals the one that comes first as a text is the more frequent."""
    counted = alike(rows).group_by("path").agg(pl.col(_GONE).sum().alias("count"))
    counted = counted.sort(["count", "path"], descending=[True, False])
    rest = int(counted["count"].slice(limit).sum())
    shown = counted.head(limit)
    if rest == 0:
        return shown
    return pl.concat([shown, pl.DataFrame({"path": [None], "count": [rest]}, shown.schema)])


def among_frequent(rows: pl.DataFrame, counted: pl.DataFrame, limit: int) -> pl.DataFrame:
    """The rows with one of so many most frequent paths among those `counted`."""
    frequent = whole_paths(counted, limit)["path"].drop_nulls()
    return rows.filter(pl.col("path").is_in(frequent.implode()))


def gone_along(
    rows: pl.DataFrame, path: Sequence[str] | None, nodes: int | None, node: str | None
) -> pl.DataFrame:
    """The rows that have gone this whole path, that have so many nodes or more, and this one in
    that place."""
    if nodes is not None:
        rows = rows.filter(pl.col("length") >= nodes)
    if path is None and node is None:
        return rows
    # What is told of a path is text, which may be anything: it is read once for each that there is.
    wanted, breather = [], Breather()
    for text in rows["path"].unique():
        breather.breathe()
        each = msgspec.json.decode(text, type=list[str])
        if path is not None and each != [*path]:
            continue
        if node is None or nodes is None or each[nodes - 1] == node:
            wanted.append(text)
    return rows.filter(pl.col("path").is_in(wanted))


def drop_off(rows: pl.DataFrame) -> pl.DataFrame:
    """How many paths reached each number of `nodes`, and how many of these ended there: those that
    were cut went on."""
    lengths = alike(rows).group_by("length", "is_cut").agg(pl.col(_GONE).sum())
    numbers = pl.DataFrame({"nodes": range(1, NODES_MAX + 1)}, {"nodes": pl.Int64()})
    is_end = (pl.col("length") == pl.col("nodes")) & (pl.col("is_cut") == 0)
    reached = lengths.join(numbers, how="cross").filter(pl.col("length") >= pl.col("nodes"))
    return (
        reached.group_by("nodes")
        .agg(
            pl.col(_GONE).sum().alias("reached"),
            pl.col(_GONE).filter(is_end).sum().alias("ended"),
        )
        .sort("nodes")
    )
