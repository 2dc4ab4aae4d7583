"""Tables with bounds: members and items, of which a group keeps only so many.

Each group has a document of its own with its size, written after all others of its table. It says
whether the group is done at the plan's revision, and when it has grown so far that it has to be
looked at as a whole.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import polars as pl
from pymongo import UpdateOne
from pymongo.collection import Collection

from rtcdp.definitions import ITEM_COUNT, MEMBER, Table
from rtcdp.store.mongo.apply import (
    IDS_AT_ONCE,
    Aim,
    Row,
    documents_of,
    gone,
    insert_new,
    merge_rows,
    rows_of,
)
from rtcdp.store.mongo.connection import Document, MongoDatabase
from rtcdp.store.mongo.layout import (
    BEFORE,
    GONE_AT,
    REVISION,
    Layout,
    Values,
    integer,
    layout_of,
)
from rtcdp.store.mongo.plan import Plan

GROUPS = "_groups"


@dataclass
class _Group:
    """One group on its way to the plan's revision.

    `size` counts its rows; `bound` is the largest member that anybody can still see; `spent_at` the
    revision at which items were left with nothing. `outcome` are the rows to write, `removed` those
    that are taken out before.
    """

    id: str
    place: Values
    rows: dict[str, Row] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    stored: Document | None = None
    size: int = 0
    bound: int | None = None
    spent_at: int | None = None
    outcome: dict[str, Row] = field(default_factory=dict)
    deletions: list[Document] = field(default_factory=list)


def group_tasks(database: MongoDatabase, plan: Plan) -> Iterator[Callable[[], None]]:
    """What a plan says of the tables with bounds, in pieces that can be done at the same time."""
    for change, removed in plan.by_table:
        if change.table.bound != "none":
            aim = Aim(plan.revision, plan.readable, change.since, plan.at)
            yield partial(_Bounded(database, change.table, aim).apply, change.rows, removed)


def overfull_groups(
    database: MongoDatabase, table: Table, revision: int, since: int
) -> dict[Values, int]:
    """The groups of a member table that hold more members than they may, as (bucket, *key), each
    with the largest member that counts at a revision."""
    names = _group_layout(table).place_names
    collection = database.collection(table.name)
    found = database.collection(GROUPS).find(
        {"table": table.name, "size": {"$gt": table.capacity}, REVISION: {"$gte": since}},
        dict.fromkeys(names, 1),
    )
    bounds: dict[Values, int] = {}
    # A member never changes, but for being taken out, which leaves a version behind.
    visible = {
        "$or": [
            {REVISION: {"$gte": since, "$lte": revision}, GONE_AT: None},
            {REVISION: {"$gt": revision}, BEFORE: {"$ne": None}},
        ]
    }
    for group in found:
        last = list(
            collection.find({**{name: group[name] for name in names}, **visible}, {MEMBER: 1})
            .sort([(MEMBER, 1)])
            .skip(table.capacity - 1)
            .limit(1)
        )
        if last:
            place = (int(group[names[0]]), *(group[name] for name in names[1:]))
            bounds[place] = last[0][MEMBER]
    return bounds


class _Bounded:
    """One table with bounds, while a plan is carried out."""

    def __init__(self, database: MongoDatabase, table: Table, aim: Aim) -> None:
        self._table = table
        self._aim = aim
        self._layout = layout_of(table)
        self._rows: Collection[Document] = database.collection(table.name)
        self._groups: Collection[Document] = database.collection(GROUPS)

    def apply(self, rows: pl.DataFrame, removed: pl.DataFrame) -> None:
        groups = self._groups_of(rows_of(self._layout, rows), rows_of(self._layout, removed))
        ids = [each for group in groups for each in group.rows]
        found = documents_of(self._rows, self._layout, ids)
        for group in groups:
            if group.removed:
                self._take_out(group)
            else:
                self._decide(group, found)
        outcome = {each: row for group in groups for each, row in group.outcome.items()}
        is_known = outcome.keys() <= set(ids)
        merge_rows(self._rows, self._layout, outcome, self._aim, found if is_known else None)
        for group in groups:
            for deletion in group.deletions:
                self._rows.delete_many({**self._condition(group), **deletion})
        self._write_groups(groups)

    def _groups_of(self, rows: Mapping[str, Row], removed: Mapping[str, Row]) -> list[_Group]:
        """The groups of these rows that are not done yet, as they are before the plan."""
        layout = _group_layout(self._table)
        by_place: defaultdict[Values, dict[str, Row]] = defaultdict(dict)
        for each, row in rows.items():
            by_place[row.place[:-1]][each] = row
        taken_out: defaultdict[Values, set[str]] = defaultdict(set)
        for each, row in removed.items():
            taken_out[row.place[:-1]].add(each)
        groups = [
            _Group(
                f"{self._table.name}:{layout.id_of(place)}",
                place,
                by_place.get(place, {}),
                taken_out.get(place, set()),
            )
            for place in dict.fromkeys((*by_place, *taken_out))
        ]
        found = self._stored_groups([group.id for group in groups])
        for group in groups:
            group.stored = found.get(group.id)
            if group.stored is not None and group.stored[REVISION] >= self._aim.since:
                group.size = group.stored["size"]
                group.bound = group.stored["bound"]
                group.spent_at = group.stored["spent_at"]
        return [
            group
            for group in groups
            if group.stored is None or group.stored[REVISION] < self._aim.revision
        ]

    def _stored_groups(self, ids: list[str]) -> dict[str, Document]:
        return {
            document["_id"]: document
            for start in range(0, len(ids), IDS_AT_ONCE)
            for document in self._groups.find({"_id": {"$in": ids[start : start + IDS_AT_ONCE]}})
        }

    def _decide(self, group: _Group, found: Mapping[str, Document]) -> None:
        """What the group's rows and its size will be."""
        new = {
            each: replace(row, is_final=True)
            for each, row in self._within(group).items()
            if self._stored(found.get(each)) is None
        }
        group.size += len(new)
        is_overfull = group.size > 2 * self._table.capacity
        if self._table.bound == "smallest_members":
            group.outcome = new
            if is_overfull:
                self._keep_smallest(group)
            return
        group.outcome = {**group.rows, **new}
        earliest = self._aim.readable.earliest
        if group.spent_at is not None and group.spent_at <= earliest:
            group.deletions.append({ITEM_COUNT: {"$lte": 0}, REVISION: {"$lte": earliest}})
            group.spent_at = None
        if is_overfull:
            self._take_off(group)

    def _take_out(self, group: _Group) -> None:
        """Begin the group anew, with what everybody sees of it and is not taken out. What nobody
        sees goes as well, for an item may be a name."""
        before = self._aim.revision - 1
        whole = {
            each: Row(place, values, is_final=True)
            for each, place, values in self._whole(group, before)
        }
        after = {each: row for each, row in self._seen(whole).items() if each not in group.removed}
        self._join(after, group.rows)
        group.bound = group.spent_at = None
        if self._table.bound == "smallest_members":
            if len(after) > self._table.capacity:
                after = _smallest(after, self._table.capacity)
                group.bound = max(_member(row.place) for row in after.values())
            group.outcome = {each: row for each, row in after.items() if each not in whole}
        else:
            if len(after) > 2 * self._table.capacity:
                after = _above_zero(_less(after, self._table.capacity))
            group.outcome = dict(after)
        group.size = len(after)
        group.outcome |= {each: gone(row) for each, row in whole.items() if each not in after}

    def _seen(self, whole: Mapping[str, Row]) -> dict[str, Row]:
        if self._table.bound == "smallest_members":
            return _smallest(whole, self._table.capacity)
        return _above_zero(whole)

    def _join(self, items: dict[str, Row], rows: Mapping[str, Row]) -> None:
        """Let new rows join those that are there."""
        for each, row in rows.items():
            if each in items:
                values = self._layout.merged(items[each].values, row.values)
                items[each] = replace(items[each], values=values)
            else:
                items[each] = replace(row, is_final=True)

    def _within(self, group: _Group) -> dict[str, Row]:
        bound = group.bound
        if bound is None:
            return group.rows
        return {each: row for each, row in group.rows.items() if _member(row.place) <= bound}

    def _keep_smallest(self, group: _Group) -> None:
        """Let go of members that nobody can see any more.

        Those that all readers see are what counts: a member is out of sight for good when there are
        enough smaller ones among them.
        """
        seen_by_all = sorted(
            _member(place) for _, place, _ in self._whole(group, self._aim.readable.earliest)
        )
        if len(seen_by_all) < self._table.capacity:
            return
        group.bound = seen_by_all[self._table.capacity - 1]
        within = self._within(group)
        group.outcome = {each: row for each, row in group.outcome.items() if each in within}
        before = self._whole(group, self._aim.revision - 1)
        kept = sum(1 for _, place, _ in before if _member(place) <= group.bound)
        group.size = kept + len(group.outcome)
        group.deletions.append({MEMBER: {"$gt": integer(group.bound)}})

    def _take_off(self, group: _Group) -> None:
        """Take the first count too many off all items, of which some are left with nothing."""
        items = {
            each: Row(place, values, is_final=True)
            for each, place, values in self._whole(group, self._aim.revision - 1)
            if _count(values) > 0
        }
        there = set(items)
        self._join(items, group.rows)
        left = _less(items, self._table.capacity)
        group.size = len(_above_zero(left))
        group.outcome = {
            each: row for each, row in left.items() if each in there or _count(row.values) > 0
        }
        group.spent_at = self._aim.revision

    def _whole(self, group: _Group, revision: int) -> Iterator[tuple[str, Values, Values]]:
        """All rows of a group as of a revision: `_id`, place and values."""
        width = len(self._layout.place)
        shown = {**self._layout.projection, "_id": 1}
        for document in self._rows.find(self._condition(group), shown):
            for row in self._layout.rows_at([document], revision, self._aim.since):
                yield document["_id"], row[:width], row[width:]

    def _stored(self, document: Document | None) -> Values | None:
        """A row's values before the plan; None when there is none, or nothing is left of it."""
        if document is None:
            return None
        values = self._layout.version_at(document, self._aim.revision - 1, self._aim.since)
        if values is None or (values and _count(values) <= 0):
            return None
        return values

    def _condition(self, group: _Group) -> Document:
        return _group_layout(self._table).placed(group.place)

    def _write_groups(self, groups: list[_Group]) -> None:
        """Say that the groups are done. What fails was done by another process."""
        new: list[Document] = []
        changes: list[UpdateOne] = []
        for group in groups:
            fields = {
                **self._condition(group),
                "table": self._table.name,
                "size": integer(group.size),
                "bound": None if group.bound is None else integer(group.bound),
                "spent_at": None if group.spent_at is None else integer(group.spent_at),
                REVISION: integer(self._aim.revision),
            }
            if group.stored is None:
                new.append({"_id": group.id, **fields})
            else:
                condition = {"_id": group.id, REVISION: group.stored[REVISION]}
                changes.append(UpdateOne(condition, {"$set": fields}))
        insert_new(self._groups, new)
        if changes:
            self._groups.bulk_write(changes, ordered=False)


def _smallest(members: Mapping[str, Row], count: int) -> dict[str, Row]:
    """So many of them, those with the smallest members."""
    if len(members) <= count:
        return dict(members)
    ordered = sorted(members.items(), key=lambda each: _member(each[1].place))
    return dict(ordered[:count])


def _less(items: Mapping[str, Row], capacity: int) -> dict[str, Row]:
    """Items with the first count too many taken off all of them."""
    counts = sorted((_count(row.values) for row in items.values()), reverse=True)
    amount = counts[capacity]
    return {
        each: replace(row, values=(_count(row.values) - amount,)) for each, row in items.items()
    }


def _above_zero(items: Mapping[str, Row]) -> dict[str, Row]:
    return {each: row for each, row in items.items() if _count(row.values) > 0}


def _group_layout(table: Table) -> Layout:
    return Layout(GROUPS, layout_of(table).place[:-1], ())


def _member(place: Values) -> int:
    assert isinstance(place[-1], int)
    return place[-1]


def _count(values: Values) -> int:
    assert isinstance(values[0], int)
    return values[0]
