"""Queries of a store on MongoDB: which documents make a page, in which order.

Every page walks an index from where the page before ended, so that it costs what it holds and not
what the collection holds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from rtcdp.definitions import BUCKET_START
from rtcdp.errors import UsageError
from rtcdp.store.contract import Scan, UncountedScan
from rtcdp.store.mongo.connection import Document
from rtcdp.store.mongo.layout import Layout, Values, date, layout_of

EXTRA_DOCUMENTS = 16
"""How many more documents than rows are asked for at first: some may be too new to be seen."""
LIMIT_MAX = 10**9

Order = tuple[tuple[str, int], ...]
_UNCOUNTED_ORDER: Order = (
    ("received_at", DESCENDING),
    ("partition", DESCENDING),
    ("offset", DESCENDING),
)


@dataclass(frozen=True)
class Walk:
    """Documents in an order: those of several conditions, one after another."""

    conditions: tuple[Document, ...]
    order: Order

    def rows(
        self,
        collection: Collection[Document],
        projection: Document,
        to_rows: Callable[[Iterable[Document]], Iterable[Values]],
        limit: int | None,
    ) -> list[Values]:
        """The first `limit` rows that `to_rows` makes of the documents."""
        found: list[Values] = []
        for condition in self.conditions:
            missing = None if limit is None else limit - len(found)
            if missing is not None and missing <= 0:
                break
            cursor = collection.find(condition, projection).sort(list(self.order))
            found += _taken(cursor.limit, lambda documents: list(to_rows(documents)), missing)
        return found


def _taken(
    at_most: Callable[[int], Iterable[Document]],
    to_rows: Callable[[Iterable[Document]], list[Values]],
    limit: int | None,
) -> list[Values]:
    if limit is None or limit > LIMIT_MAX:
        return to_rows(at_most(0))[:limit]
    asked = limit + EXTRA_DOCUMENTS
    while True:
        documents = list(at_most(asked))
        rows = to_rows(documents)
        if len(rows) >= limit or len(documents) < asked:
            return rows[:limit]
        asked *= 4


def table_walk(scan: Scan) -> Walk:
    """The rows of a table, newest bucket first, then by key ascending.

    Raises `UsageError` when the scan names a column that is not of the key, or `after` is not a
    primary key of the table.
    """
    table, layout = scan.table, layout_of(scan.table)
    unknown = set(scan.equals) - set(table.key)
    if unknown:
        raise UsageError(
            f"{table.name} has no key field {', '.join(sorted(unknown))}",
            f"choose from {', '.join(table.key) or 'none: it has one row a window'}",
        )
    order: Order = (
        (BUCKET_START, DESCENDING),
        *((name, ASCENDING) for name in table.primary_key[1:]),
    )
    conditions: list[Document] = [dict(scan.equals)]
    if scan.after is not None:
        _check_position(layout, scan)
        placed = layout.placed(scan.after)
        free = tuple(step for step in order if step[0] not in scan.equals)
        conditions = [{**after, **scan.equals} for after in beyond(free, placed)]
    limits = between(scan.bucket_from, scan.bucket_to)
    conditions = [joined(condition, BUCKET_START, limits) for condition in conditions]
    return Walk(tuple(conditions), order)


def ledger_walk(minute_from: int | None, after: tuple[int, str] | None) -> Walk:
    """The ledger's rows, newest minute first, then by source."""
    order: Order = (("minute", DESCENDING), ("source", ASCENDING))
    conditions: list[Document] = [{}]
    if after is not None:
        conditions = beyond(order, {"minute": date(after[0]), "source": after[1]})
    limits = between(minute_from, None)
    return Walk(tuple(joined(each, "minute", limits) for each in conditions), order)


def uncounted_walk(scan: UncountedScan, revision: int) -> Walk:
    """Uncounted records that were there at a revision, newest first."""
    wanted: Document = {
        name: value
        for name in ("verdict", "reason", "source", "user_id", "partition")
        if (value := getattr(scan, name)) is not None
    }
    wanted["_revision"] = {"$lte": revision}
    if scan.only_not_replayed:
        wanted["replayed_at"] = None
    conditions: list[Document] = [{}]
    if scan.after is not None:
        received_at, partition, offset = scan.after
        place = {"received_at": date(received_at), "partition": partition, "offset": offset}
        conditions = beyond(_UNCOUNTED_ORDER, place)
    wanted = joined(wanted, "offset", _limits(scan.offset_from, scan.offset_to))
    conditions = [{"$and": [each, wanted]} if each else wanted for each in conditions]
    return Walk(tuple(conditions), _UNCOUNTED_ORDER)


def beyond(order: Order, place: Document) -> list[Document]:
    """Conditions that together hold for what comes after a place, in reading order: what agrees
    with it in all fields but the last, then in all but the last two, and so on."""
    conditions: list[Document] = []
    for position in reversed(range(len(order))):
        name, direction = order[position]
        same = {other: place[other] for other, _ in order[:position]}
        comparison = "$gt" if direction == ASCENDING else "$lt"
        conditions.append({**same, name: {comparison: place[name]}})
    return conditions


def joined(condition: Document, name: str, limits: Document) -> Document:
    """A condition that also keeps a field within limits."""
    if not limits:
        return condition
    known = condition.get(name, {})
    if not isinstance(known, dict):
        known = {"$eq": known}
    return {**condition, name: _tighter(known, limits)}


def _tighter(one: Document, other: Document) -> Document:
    both = {**one, **other}
    for comparison, choose in (("$lt", min), ("$gte", max)):
        if comparison in one and comparison in other:
            both[comparison] = choose(one[comparison], other[comparison])
    return both


def between(start: int | None, end: int | None) -> Document:
    """The half-open range of times, as a condition of a field."""
    return {name: date(value) for name, value in _limits(start, end).items()}


def _limits(start: int | None, end: int | None) -> Document:
    limits = {"$gte": start, "$lt": end}
    return {name: value for name, value in limits.items() if value is not None}


def _check_position(layout: Layout, scan: Scan) -> None:
    assert scan.after is not None
    kinds = [str if kind == "text" else int for _, kind in layout.place]
    if [type(part) for part in scan.after] != kinds:
        raise UsageError(
            f"{scan.after!r} is not a row of {scan.table.name}",
            "continue with the position that came with the page before, for the same query",
        )
