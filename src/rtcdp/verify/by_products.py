"""Metrics by what products are, counted again from their rows by the millisecond.

Those rows are a metric of their own, which `store_against_log` holds to the log of events. Here
each goes to what was known of its product then, and the answers have to be that.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from rtcdp.answers.enriched import read_as
from rtcdp.definitions import BUCKET_START, Metric, Table, tables_of
from rtcdp.definitions.enrichment import PRODUCT_ID, Stored, stored_as
from rtcdp.events.derived import UNKNOWN_PRODUCT
from rtcdp.store import Scan, StoreSnapshot
from rtcdp.verify.oracle import buckets_of, merged
from rtcdp.verify.store_against_log import (
    Difference,
    Key,
    Values,
    Verification,
    differences_of,
    rows_by_key,
)


@dataclass
class History:
    """When the versions of a product begin (UTC ms), in order, and what each says of it."""

    begins: list[int] = field(default_factory=list)
    says: list[Mapping[str, object]] = field(default_factory=list)

    def at(self, instant: int) -> Mapping[str, object]:
        """What was known then (UTC ms)."""
        place = bisect_right(self.begins, instant)
        return self.says[place - 1] if place else {}


_NOTHING = History()


def counted_by_products(
    snapshot: StoreSnapshot,
    whole: Set[str],
    metrics: Sequence[Metric],
    known: Mapping[str, History],
) -> Verification:
    """Compare what a snapshot answers of those of `metrics` that are keyed by what products are,
    and `whole` in it by their names, with what comes of what is `known` of each product. Where
    retention has deleted rows, only what it can't have touched is compared."""
    found = Verification((), 0, 0, 0)
    for metric in metrics:
        stored = stored_as(metric)
        if stored is None:
            continue
        if whole >= {stored.by_pane.name, stored.by_moment.name}:
            found = found.beside(_Counted(snapshot, metric, stored, known).beside_answers())
    return found


@dataclass(frozen=True)
class _Counted:
    """A metric, and what it is counted from."""

    snapshot: StoreSnapshot
    metric: Metric
    stored: Stored
    known: Mapping[str, History]

    def beside_answers(self) -> Verification:
        answers = read_as(self.snapshot, self.metric)
        limits = (self.snapshot.floors.buckets_from, answers.complete_from(self.metric.name))
        floor = max((limit for limit in limits if limit is not None), default=-(2**62))
        buckets, *sides = tables_of(self.metric)
        found = answers.scan(Scan(buckets)).filter(pl.col(BUCKET_START) >= floor)
        groups = found.select(BUCKET_START, *buckets.key)
        differences: list[Difference] = []
        rows = 0
        for table, moments in zip((buckets, *sides), tables_of(self.stored.by_moment), strict=True):
            told = found if table is buckets else answers.members(table, groups)
            rows += told.height
            expected = {
                key: values
                for key, values in self._again(table, moments).items()
                if int(str(key[0])) >= floor
            }
            differences += differences_of(table, expected, rows_by_key(table, told))
        return Verification(tuple(differences), 1 + len(sides), rows, 0)

    def _again(self, table: Table, moments: Table) -> dict[Key, Values]:
        """The rows of a table of the metric, by primary key."""
        member = () if table.member is None else (table.member[0],)
        has_end = self.metric.window.column is not None and not member
        columns = table.columns[1:] if has_end else table.columns
        merges = [column.merge for column in table.columns]
        rows: dict[Key, Values] = {}
        for row in self.snapshot.scan(Scan(moments)).iter_rows(named=True):
            for start, *key in self._places(table, row):
                place = (start, *key, *(row[name] for name in member))
                new = [row[column.name] for column in columns]
                if has_end:
                    new.insert(0, self.metric.window.end_of(start))
                old = rows.get(place)
                rows[place] = tuple(new if old is None else map(merged, merges, old, new))
        return rows

    def _places(self, table: Table, row: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
        """The buckets and keys that a row by the millisecond belongs to."""
        instant = row[BUCKET_START]
        says = self.known.get(row[PRODUCT_ID], _NOTHING).at(instant)
        fields = dict(row) | {
            each.name: says.get(each.attribute) or UNKNOWN_PRODUCT
            for each in self.stored.attributes
        }
        for start in buckets_of(self.metric, {"timestamp": instant}):
            yield start, *(fields[name] for name in table.key)
