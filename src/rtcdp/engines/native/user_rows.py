"""Rows of metrics' tables that an erasure is about: those that name the user, and whole groups."""

from collections.abc import Callable, Iterator, Sequence

import polars as pl
import polars_hash as plh

from rtcdp.definitions import BUCKET_START, ITEM, MEMBER, Metric, Table, tables_of
from rtcdp.store import Scan, StoreSnapshot

_USER = "userId"
_PAGE_ROWS = 100_000
_SINGLE_BUCKETS_MAX = 1_000
"""So many buckets are looked up one by one; of more, all that lies between is read."""


def groups_of(table: Table, rows: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The groups (`window_start`, *key) that rows are of, each once."""
    return pl.concat(rows).select(BUCKET_START, *table.key).unique()


def rows_of_groups(snapshot: StoreSnapshot, table: Table, groups: pl.DataFrame) -> pl.DataFrame:
    """All rows of these groups, as they rest."""
    if table.member is not None:
        return snapshot.members(table, groups)
    starts = groups[BUCKET_START].unique().sort()
    spans = [(start, start + 1) for start in starts]
    if len(spans) > _SINGLE_BUCKETS_MAX:
        spans = [(spans[0][0], spans[-1][1])]
    pages = [
        page.join(groups, on=[BUCKET_START, *table.key], how="semi")
        for first, end in spans
        for page in _pages(snapshot, Scan(table, bucket_from=first, bucket_to=end))
    ]
    return pl.concat(pages)


def named_rows(
    snapshot: StoreSnapshot, metric: Metric, table: Table, user_id: str
) -> Iterator[pl.DataFrame]:
    """The rows of a table that name the user in a key, or among members or items."""
    named = [
        name
        for column, name in zip(metric.key_columns, metric.key_names, strict=True)
        if column == _USER
    ]
    if named:
        yield from _pages(snapshot, Scan(table, equals={named[0]: user_id}))
        return
    if table.member is None or _side_column(metric, table) != _USER:
        return
    is_named = pl.col(ITEM) == user_id
    if table.bound == "smallest_members":
        is_named = pl.col(MEMBER) == member_of(user_id)
    for page in _pages(snapshot, Scan(table)):
        yield page.filter(is_named)


def member_of(user_id: str) -> int:
    """What stands for a user among members."""
    text = pl.DataFrame({MEMBER: [user_id]})
    hashed = text.select(plh.col(MEMBER).nchash.xxhash64().reinterpret(signed=True))
    return int(hashed.item())


def is_counted_among_members(metric: Metric, table: Table) -> bool:
    """Whether a table's members are users, of groups that don't name one."""
    is_of_members = table.bound == "smallest_members" and _side_column(metric, table) == _USER
    return is_of_members and _USER not in metric.key_columns


def without_name(
    table: Table, rows: pl.DataFrame, randomness: Callable[[int], bytes]
) -> pl.DataFrame:
    """Rows of a member table with numbers in place of the members that stand for nobody.

    Each is smaller than the one before it: so the group counts as many as it did, also where that
    is estimated by the largest of those that are kept.
    """
    least = -(2**63)
    numbers = [
        least + int.from_bytes(randomness(16)) % max(1, member - least)
        for member in rows[MEMBER].to_list()
    ]
    column = pl.Series(MEMBER, numbers, pl.Int64)
    return rows.with_columns(column).select(table.column_names)


def _side_column(metric: Metric, table: Table) -> str:
    sides = [side for measure in metric.measures if (side := measure.side()) is not None]
    _, *tables = tables_of(metric)
    return sides[tables.index(table)].column


def _pages(snapshot: StoreSnapshot, scan: Scan) -> Iterator[pl.DataFrame]:
    after = None
    while True:
        page = snapshot.scan(Scan(**{**vars(scan), "after": after, "limit": _PAGE_ROWS}))
        yield page
        if page.height < _PAGE_ROWS:
            return
        after = page.select(scan.table.primary_key).row(-1)
