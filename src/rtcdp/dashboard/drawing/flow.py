"""A flow: columns of nodes, and between neighbouring columns how many go from which to which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rtcdp.dashboard.drawing.svg import element, link, number, percentage, shortened, together
from rtcdp.words import count, percent

_WIDE_PX, _NODE_PX, _GAP_PX, _TOP_PX = 1000, 10, 18, 8
_HIGH_PX, _NODES_HIGH_PX = 120, 40
"""So much stands for all of it, and more where it has many nodes."""

_LETTERS = 22
_LEAST_PX = 1.5


@dataclass(frozen=True)
class FlowNode:
    """A node with so many in it. `kind` is its class; the address tells more of it."""

    name: str
    amount: int
    kind: str = "plain"
    href: str | None = None


@dataclass(frozen=True)
class FlowLink:
    """So many go from a node of one column to a node of the next, each by its place there."""

    column: int
    source: int
    target: int
    amount: int


@dataclass(frozen=True)
class _Box:
    """Where a node stands."""

    x: float
    y: float
    height: float


def flow(columns: Sequence[Sequence[FlowNode]], links: Sequence[FlowLink]) -> Markup:
    """The flow from left to right. Heights are amounts, at one scale in all columns."""
    filled = [column for column in columns if column]
    if not filled:
        return Markup("")
    whole = max(sum(node.amount for node in column) for column in filled) or 1
    per_one = (_HIGH_PX + _NODES_HIGH_PX * max(len(column) - 1 for column in filled)) / whole
    wide = _WIDE_PX / len(columns)
    boxes = {
        (at, place): box
        for at, column in enumerate(columns)
        for place, box in enumerate(_stacked(column, at * wide, per_one))
    }
    height = max(box.y + box.height for box in boxes.values()) + _GAP_PX
    return element(
        "svg",
        *_streams(columns, links, boxes, per_one),
        *(
            _node(node, boxes[at, place], whole)
            for at, column in enumerate(columns)
            for place, node in enumerate(column)
        ),
        class_="drawing flow",
        viewBox=f"0 0 {_WIDE_PX} {number(height)}",
        width=_WIDE_PX,
        role="group",
        aria_label=f"A flow of {len(columns)} columns; the table below has the same numbers",
    )


def flow_or_lists(
    columns: Sequence[Sequence[FlowNode]],
    links: Sequence[FlowLink],
    label: str,
    heads: Sequence[str],
) -> Markup:
    """The flow, called by a `label`, and for a page that is too narrow for it its columns as lists,
    one under the other with a head each. Style sheets show one of both."""
    drawn = flow(columns, links)
    if not drawn:
        return drawn
    region = element(
        "div", drawn, class_="scroll flow-wide", tabindex="0", role="region", aria_label=label
    )
    filled = [(head, column) for head, column in zip(heads, columns, strict=False) if column]
    whole = max(sum(node.amount for node in column) for _, column in filled) or 1
    lists = [element("li", element("h3", head), _listed(column, whole)) for head, column in filled]
    return element("div", region, element("ol", *lists, class_="flow-lists"))


def _listed(column: Sequence[FlowNode], whole: int) -> Markup:
    return element(
        "ol",
        *(
            element(
                "li",
                element(
                    "svg",
                    element("rect", width=percentage(node.amount / whole), height="100%", rx=5),
                    class_="bar-of-row",
                    aria_hidden="true",
                ),
                element("span", node.name, class_="label")
                if node.href is None
                else element("a", node.name, class_="label", href=node.href),
                element("b", count(node.amount)),
            )
            for node in column
        ),
        class_="ranked",
    )


def _stacked(column: Sequence[FlowNode], left: float, per_one: float) -> list[_Box]:
    boxes, top = [], float(_TOP_PX)
    for node in column:
        height = max(_LEAST_PX, node.amount * per_one)
        boxes.append(_Box(left, top, height))
        top += height + _GAP_PX
    return boxes


def _streams(
    columns: Sequence[Sequence[FlowNode]],
    links: Sequence[FlowLink],
    boxes: Mapping[tuple[int, int], _Box],
    per_one: float,
) -> list[Markup]:
    left_at = {place: box.y for place, box in boxes.items()}
    right_at = dict(left_at)
    streams = []
    for each in sorted(links, key=lambda one: (one.column, one.source, one.target)):
        source, target = (each.column, each.source), (each.column + 1, each.target)
        wide = max(_LEAST_PX, each.amount * per_one)
        names = columns[each.column][each.source].name, columns[each.column + 1][each.target].name
        says = f"{names[0]} → {names[1]}: {count(each.amount)}"
        streams.append(
            element(
                "path",
                element("title", says),
                class_=f"stream {columns[each.column + 1][each.target].kind}",
                d=_ribbon(
                    (boxes[source].x + _NODE_PX, left_at[source]),
                    (boxes[target].x, right_at[target]),
                    wide,
                ),
            )
        )
        left_at[source] += each.amount * per_one
        right_at[target] += each.amount * per_one
    return streams


def _ribbon(start: tuple[float, float], end: tuple[float, float], wide: float) -> str:
    """A band of one width, from one place to another, level at both ends."""
    (x0, y0), (x1, y1) = start, end
    bend = (x0 + x1) / 2
    there = f"M{_at(x0, y0)}C{_at(bend, y0)} {_at(bend, y1)} {_at(x1, y1)}"
    back = f"L{_at(x1, y1 + wide)}C{_at(bend, y1 + wide)} {_at(bend, y0 + wide)}"
    return f"{there}{back} {_at(x0, y0 + wide)}Z"


def _at(x: float, y: float) -> str:
    return f"{number(x)} {number(y)}"


def _node(node: FlowNode, box: _Box, whole: int) -> Markup:
    says = f"{node.name}: {count(node.amount)}, {percent(node.amount / whole)}"
    middle = box.y + min(box.height / 2, 14)
    drawn = together(
        element(
            "rect",
            element("title", says),
            class_=f"node {node.kind}",
            x=box.x,
            y=box.y,
            width=_NODE_PX,
            height=box.height,
            rx=2,
        ),
        element(
            "text",
            element("tspan", shortened(node.name, _LETTERS), class_="label"),
            element("tspan", f" {count(node.amount)}", class_="note"),
            x=box.x + _NODE_PX + 6,
            y=middle + 4,
        ),
    )
    return link(node.href, drawn)
