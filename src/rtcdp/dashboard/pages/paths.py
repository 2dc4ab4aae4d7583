"""Paths: from which page to which, and where people leave."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from rtcdp.answers.folds import PATHS_PATH
from rtcdp.answers.paths import KIND, PathFound, PathsPage, PathsQuestion, paths_page
from rtcdp.dashboard.drawing.flow import FlowLink, FlowNode, flow
from rtcdp.dashboard.page import DashboardPage, PageAsked
from rtcdp.dashboard.period import DAY_MS
from rtcdp.dashboard.stories import Tab, api_address, chosen_fold, fold_tabs, from_to, in_time

PATH = "/paths"
_DRAWN, _LISTED = 500, 25
_COLUMNS, _NODES = 5, 7
_REST = "others"


@dataclass(frozen=True)
class PathsShown:
    """The most frequent paths, as a flow and as a list."""

    answer: PathsPage
    description: str
    tabs: tuple[Tab, ...]
    drawing: Markup
    items: Sequence[PathFound]
    drawn_count: int
    api: str


def shown(asked: PageAsked[Any]) -> PathsShown | None:
    """The paths that are asked for, or the first ones; None where the catalog has none.

    Raises `BadRequest`, `NotThere` and `StoreUnavailable`.
    """
    fold = chosen_fold(asked, KIND)
    if fold is None:
        return None
    time = in_time(asked)
    answer = paths_page(asked.installation, fold.name, PathsQuestion(limit=_DRAWN, **time))
    return PathsShown(
        answer=answer,
        description=fold.description,
        tabs=fold_tabs(
            asked.installation, fold, lambda each: asked.address.elsewhere(f"{PATH}/{each.name}")
        ),
        drawing=flow_of(answer.items),
        items=answer.items[:_LISTED],
        drawn_count=sum(each.count for each in answer.items),
        api=api_address(f"{PATHS_PATH}{fold.name}", {"limit": _LISTED, **from_to(time)}),
    )


def flow_of(paths: Sequence[PathFound]) -> Markup:
    """The first steps of paths as a flow: of each step the most frequent nodes, and all others
    together as one."""
    reached = [Counter[str]() for _ in range(_COLUMNS)]
    for each in paths:
        for at, node in enumerate(each.path[:_COLUMNS]):
            reached[at][node] += each.count
    places = [_places(counter) for counter in reached]
    columns = [
        _column(counter, place) for counter, place in zip(reached, places, strict=True) if counter
    ]
    went = Counter[tuple[int, int, int]]()
    for each in paths:
        for at, (one, other) in enumerate(zip(each.path, each.path[1:_COLUMNS], strict=False)):
            source = places[at].get(one, _NODES - 1)
            went[at, source, places[at + 1].get(other, _NODES - 1)] += each.count
    return flow(columns, [FlowLink(*place, amount) for place, amount in sorted(went.items())])


def _places(counter: Counter[str]) -> dict[str, int]:
    """Where the nodes stand that have a place of their own; all others share the last one."""
    ordered = sorted(counter, key=lambda node: (-counter[node], node))
    own = ordered if len(ordered) <= _NODES else ordered[: _NODES - 1]
    return {node: place for place, node in enumerate(own)}


def _column(counter: Counter[str], places: dict[str, int]) -> list[FlowNode]:
    nodes = [FlowNode(node, counter[node]) for node in places]
    rest = sum(amount for node, amount in counter.items() if node not in places)
    if rest:
        count = len(counter) - len(places)
        nodes.append(FlowNode(f"{count} {_REST}", rest, "rest"))
    return nodes


PAGE = DashboardPage(
    title="Paths",
    paths=(PATH, f"{PATH}/{{name:str}}"),
    template="paths.html",
    shown=shown,
    default_period_ms=7 * DAY_MS,
)
"""What stands at `/paths`."""
