"""Paths: from which page to which, and where people leave."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from markupsafe import Markup

from rtcdp.answers.fold_people import PathsPeopleQuestion, paths_people
from rtcdp.answers.folds import PATHS_PATH
from rtcdp.answers.one_state import one_state
from rtcdp.answers.paths import KIND, DropOff, PathFound, PathsPage, PathsQuestion, paths_page
from rtcdp.answers.question import NAMES, Cursor
from rtcdp.api.query import Asked
from rtcdp.clock import DAY_MS
from rtcdp.dashboard.drawing.flow import FlowLink, FlowNode, flow_or_lists
from rtcdp.dashboard.fold_people import FoldPeople, fold_people, href_of_people
from rtcdp.dashboard.page import DashboardPage, PageAsked, PageQuestion
from rtcdp.dashboard.stories import (
    InTime,
    Tab,
    api_address,
    chosen_fold,
    fold_tabs,
    from_to,
    in_time,
)
from rtcdp.folds.paths import NODES_MAX

PATH = "/paths"
_DRAWN, _LISTED = 500, 25
_COLUMNS, _NODES = 5, 7
_REST = "others"


class PathsPageQuestion(PageQuestion, frozen=True, kw_only=True, rename=NAMES):
    """Whose paths are listed."""

    list: Annotated[
        Literal["people"] | None,
        msgspec.Meta(description="list those who have gone along some of the paths"),
    ] = None
    path: Annotated[str | None, msgspec.Meta(description="this whole one, a JSON list")] = None
    nodes: Annotated[
        int | None, msgspec.Meta(description="with so many nodes or more", ge=1, le=NODES_MAX)
    ] = None
    node: Annotated[str | None, msgspec.Meta(description="with this one in that place")] = None
    ended: Annotated[Literal["yes"] | None, msgspec.Meta(description="that end there")] = None
    people_cursor: Cursor = None


@dataclass(frozen=True)
class EndShown:
    """How many came so far and ended there, and who they are."""

    drop_off: DropOff
    reached_href: str
    ended_href: str


@dataclass(frozen=True)
class PathsShown:
    """The most frequent paths, as a flow and as a list."""

    answer: PathsPage
    description: str
    tabs: tuple[Tab, ...]
    drawing: Markup
    items: Sequence[tuple[PathFound, str]]
    ends: Sequence[EndShown]
    drawn_count: int
    people: FoldPeople | None
    api: str


def shown(asked: PageAsked[PathsPageQuestion]) -> PathsShown | None:
    """The paths that are asked for, or the first ones; None where the catalog has none.

    Raises `BadRequest`, `NotThere` and `StoreUnavailable`.
    """
    fold = chosen_fold(asked, KIND)
    if fold is None:
        return None
    time = in_time(asked)
    with one_state(asked.installation) as still:
        answer = paths_page(still, fold.name, PathsQuestion(limit=_DRAWN, **time))
        listed = _people(asked, time)
        found = None if listed is None else paths_people(still, fold.name, listed)
    return PathsShown(
        answer=answer,
        description=fold.description,
        tabs=fold_tabs(
            asked.installation, fold, lambda each: asked.address.elsewhere(f"{PATH}/{each.name}")
        ),
        drawing=flow_of(answer.items, lambda nodes, node: _at(asked, nodes, node)),
        items=[(each, _along(asked, each)) for each in answer.items[:_LISTED]],
        ends=[_end(asked, each) for each in answer.drop_off],
        drawn_count=sum(each.count for each in answer.items),
        people=None
        if found is None
        else fold_people(
            asked,
            fold,
            found,
            _words(asked.question),
            (f"{PATHS_PATH}{fold.name}/people", _asked_for(asked.question, time)),
        ),
        api=api_address(f"{PATHS_PATH}{fold.name}", {"limit": _LISTED, **from_to(time)}),
    )


def _people(asked: PageAsked[PathsPageQuestion], time: InTime) -> PathsPeopleQuestion | None:
    question = asked.question
    if question.list is None:
        return None
    return PathsPeopleQuestion(
        path=question.path,
        nodes=question.nodes,
        node=question.node,
        ended=question.ended,
        among=_among(question),
        limit=_LISTED,
        cursor=question.people_cursor,
        **time,
    )


def _among(question: PathsPageQuestion) -> int | None:
    """What is drawn are the most frequent paths: so are those behind its numbers."""
    return _DRAWN if question.node is not None else None


def _asked_for(question: PathsPageQuestion, time: InTime) -> dict[str, object]:
    chosen = {name: getattr(question, name) for name in ("path", "nodes", "node", "ended")}
    return {**chosen, "among": _among(question), **from_to(time)}


def _words(question: PathsPageQuestion) -> str:
    """What those have done who are listed."""
    if question.path is not None:
        return "went this whole path"
    if question.node is not None:
        return f"had {question.node} as number {question.nodes}"
    if question.nodes is None:
        return "went somewhere"
    return f"{'ended with' if question.ended else 'came to'} page {question.nodes}"


def _at(asked: PageAsked[Any], nodes: int, node: str) -> str:
    return href_of_people(asked, list="people", nodes=nodes, node=node)


def _along(asked: PageAsked[Any], found: PathFound) -> str:
    return href_of_people(asked, list="people", path=msgspec.json.encode(found.path).decode())


def _end(asked: PageAsked[Any], drop_off: DropOff) -> EndShown:
    chosen: dict[str, str | int] = {"list": "people", "nodes": drop_off.nodes}
    return EndShown(
        drop_off,
        href_of_people(asked, **chosen),
        href_of_people(asked, **chosen, ended="yes"),
    )


HrefOf = Callable[[int, str], str | None]
"""The list of those who had a node in a place, counted from 1."""


def flow_of(paths: Sequence[PathFound], href_of: HrefOf = lambda _, __: None) -> Markup:
    """The first steps of paths as a flow: of each step the most frequent nodes, each with its
    people, and all others together as one."""
    reached = [Counter[str]() for _ in range(_COLUMNS)]
    for each in paths:
        for at, node in enumerate(each.path[:_COLUMNS]):
            reached[at][node] += each.count
    places = [_places(counter) for counter in reached]
    columns = [
        _column(counter, place, partial(href_of, at))
        for at, (counter, place) in enumerate(zip(reached, places, strict=True), start=1)
        if counter
    ]
    went = Counter[tuple[int, int, int]]()
    for each in paths:
        for at, (one, other) in enumerate(zip(each.path, each.path[1:_COLUMNS], strict=False)):
            source = places[at].get(one, _NODES - 1)
            went[at, source, places[at + 1].get(other, _NODES - 1)] += each.count
    links = [FlowLink(*place, amount) for place, amount in sorted(went.items())]
    heads = [f"Page {at}" for at in range(1, _COLUMNS + 1)]
    return flow_or_lists(columns, links, "Flow of paths", heads)


def _places(counter: Counter[str]) -> dict[str, int]:
    """Where the nodes stand that have a place of their own; all others share the last one."""
    ordered = sorted(counter, key=lambda node: (-counter[node], node))
    own = ordered if len(ordered) <= _NODES else ordered[: _NODES - 1]
    return {node: place for place, node in enumerate(own)}


def _column(
    counter: Counter[str], places: dict[str, int], href_of: Callable[[str], str | None]
) -> list[FlowNode]:
    nodes = [FlowNode(node, counter[node], href=href_of(node)) for node in places]
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
    asked=Asked(PathsPageQuestion),
    default_period_ms=7 * DAY_MS,
)
"""What stands at `/paths`."""
