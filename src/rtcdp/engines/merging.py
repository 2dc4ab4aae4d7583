"""From panes to the rows of a table: windows written out, rows merged, groups kept small.

Written once: every engine folds events into panes in its own way, and ends here.
"""

import polars as pl

from rtcdp.definitions import BUCKET_START, MEMBER, MERGES, WINDOW_END, Metric, Table, Window
from rtcdp.definitions.panes import explode_panes


def to_buckets(metric: Metric, table: Table, panes: pl.LazyFrame) -> pl.LazyFrame:
    """Panes as rows of one of the metric's tables, sorted by primary key for the sake of its tree.

    `panes` has the columns of `table`, with the start of a pane in `window_start`, and one row per
    primary key.
    """
    rows = panes
    window = metric.window
    if isinstance(window, Window) and window.is_written_out and window.overlap > 1:
        rows = merge_rows(explode_panes(panes, window), table)
    if WINDOW_END in table.column_names:
        rows = rows.with_columns(_ends(metric).alias(WINDOW_END))
    if table.bound == "smallest_members":
        rows = _smallest_members(rows, table)
    return rows.select(table.column_names).sort(table.primary_key)


def _ends(metric: Metric) -> pl.Expr:
    def ends_of(starts: pl.Series) -> pl.Series:
        known = {start: metric.window.end_of(start) for start in starts.unique()}
        return pl.Series([known[start] for start in starts], dtype=pl.Int64)

    return pl.col(BUCKET_START).map_batches(ends_of, return_dtype=pl.Int64)


def merge_rows(rows: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """Rows of `table` with one row per primary key, merged by the columns' rules."""
    merged = [MERGES[column.merge].of_column(pl.col(column.name)) for column in table.columns]
    return rows.group_by(table.primary_key).agg(merged)


def _smallest_members(rows: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    rank = pl.col(MEMBER).rank("ordinal").over([BUCKET_START, *table.key])
    return rows.filter(rank <= table.capacity)
