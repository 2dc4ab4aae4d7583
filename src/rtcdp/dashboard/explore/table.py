"""An answer as a table, each number with the address of the events behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rtcdp.answers.query import QueryColumnDescription, QueryQuestion
from rtcdp.answers.windows import FINAL
from rtcdp.dashboard.address import PageAddress, written
from rtcdp.dashboard.explore.groups import Group, Grouped, labels
from rtcdp.dashboard.where import as_pairs
from rtcdp.dashboard.zone import PageZone
from rtcdp.words import NOTHING, measured

ROWS_MAX = 500
CELLS_MAX = 5_000
"""So many numbers are shown at most, each with its link; and at least one row."""

_WHY = "/why"
_OF_A_LIST = 5


@dataclass(frozen=True)
class Cell:
    """A value as it is written, and where the events behind it are."""

    text: str
    href: str | None


@dataclass(frozen=True)
class RowShown:
    """A row of the table; `only_href` shows its group alone. It has no time of its own where each
    row is of all of it."""

    start: int | None
    label: str
    group: str | None
    only_href: str | None
    cells: Sequence[Cell]
    is_open: bool
    is_partial: bool


@dataclass(frozen=True)
class TableShown:
    """The first rows of `row_count`, and what stands above their numbers. Where it is crossed, a
    row is a time and each group a column."""

    heads: Sequence[str]
    rows: Sequence[RowShown]
    row_count: int
    is_crossed: bool


@dataclass(frozen=True)
class _Asked:
    """What was asked, on which page, in which zone times are written."""

    query: QueryQuestion
    address: PageAddress
    zone: PageZone
    group_by: tuple[str, ...]


def table(rows: Grouped, query: QueryQuestion, address: PageAddress, zone: PageZone) -> TableShown:
    """The table of an answer that was asked for at this address. One number of several groups over
    time is crossed."""
    answer = rows.answer
    is_crossed = bool(query.group_by) and query.interval != "none" and len(answer.columns) == 1
    groups = [group for group in rows.groups if group is not None]
    heads = [group.name for group in groups] if is_crossed else [c.name for c in answer.columns]
    together: dict[int, list[int]] = {}
    for place, start in enumerate(rows.starts):
        together.setdefault(start if is_crossed else place, []).append(place)
    shown_max = max(1, min(ROWS_MAX, CELLS_MAX // max(1, len(heads))))
    kept = list(together.values())[:shown_max]
    starts = list(dict.fromkeys(rows.starts[places[0]] for places in kept))
    label_of = dict(zip(starts, labels(answer.interval, starts, zone), strict=True))
    asked = _Asked(query, address, zone, answer.group_by)
    shown = []
    for places in kept:
        first = answer.items[places[0]]
        in_order: list[Mapping[str, Any] | None] = [first]
        if is_crossed:
            # A time need not have a row of every group; cells stand below the groups' heads.
            item_of = {rows.of_items[place]: answer.items[place] for place in places}
            in_order = [item_of.get(group) for group in groups]
        cells = [_cell(asked, column, item) for item in in_order for column in answer.columns]
        group = None if is_crossed else rows.of_items[places[0]]
        start = rows.starts[places[0]]
        shown.append(_row(asked, first, group, cells, (start, label_of[start])))
    return TableShown(heads, shown, len(together), is_crossed)


def _row(
    asked: _Asked,
    item: Mapping[str, Any],
    group: Group | None,
    cells: Sequence[Cell],
    time: tuple[int, str],
) -> RowShown:
    start, label = time
    return RowShown(
        start=None if asked.query.interval == "none" else start,
        label=label,
        group=None if group is None else group.name,
        only_href=None if group is None or group.is_other else _only(asked, item),
        cells=cells,
        is_open=not item[FINAL],
        is_partial=bool(item.get("partial")),
    )


def _only(asked: _Asked, item: Mapping[str, Any]) -> str | None:
    """The same page of one group alone, in place of those that it is of, unless it is that."""
    field, pairs = asked.query.group_by[0], asked.address.pairs
    others = [
        (name, text)
        for name, text in pairs
        if name != "where" or text.partition("=")[0].strip() != field
    ]
    wanted = [*others, ("where", f"{field}={item[field]}")]
    return None if sorted(wanted) == sorted(pairs) else written(asked.address.path, wanted)


def _cell(asked: _Asked, column: QueryColumnDescription, item: Mapping[str, Any] | None) -> Cell:
    if item is None:
        return Cell(NOTHING, None)
    return Cell(measured(item[column.name], _OF_A_LIST), _why(asked, column, item))


def _why(asked: _Asked, column: QueryColumnDescription, item: Mapping[str, Any]) -> str | None:
    """Where the events behind a value are told; a row of all others has no such list, and a ratio
    has two."""
    if item.get("other") or column.divided_by is not None:
        return None
    own = {name: (str(item[name]),) for name in asked.group_by}
    where = as_pairs({**asked.query.equals, **own})
    return written(
        _WHY,
        [
            ("metrics", f"{column.metric}.{column.measure}"),
            ("from", item["window_start"]),
            ("to", item["window_end"]),
            *(("where", f"{name}={text}") for name, text in where),
            ("tz", asked.zone.name),
            ("back", written(asked.address.path, list(asked.address.pairs))),
        ],
    )
