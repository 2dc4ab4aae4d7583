"""Paths: which ones are gone most, and where they end."""

from typing import Annotated

import msgspec
import polars as pl

from rtcdp.answers.fold_rows import open_told, slices_of, span_of
from rtcdp.answers.folds import find_fold
from rtcdp.answers.freshness import Installation, WholeAnswer
from rtcdp.answers.question import NAMES, From, Since, To
from rtcdp.folds.path_answers import alike, drop_off, whole_paths

KIND = "paths"


class PathsQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which paths, by when they began."""

    start_from: From = None
    start_to: To = None
    since: Since = None
    limit: Annotated[
        int, msgspec.Meta(description="how many whole paths; all others are `other`", ge=1, le=1000)
    ] = 20


class PathFound(msgspec.Struct):
    """A path from its first node to its last, how many have gone it, and their share of all."""

    path: list[str]
    count: int
    share: float


class OtherPaths(msgspec.Struct):
    """All paths that are not among the items, together."""

    distinct: int
    count: int
    share: float


class DropOff(msgspec.Struct):
    """How many paths have so many `nodes` or more, and how many of them end there. What was cut at
    the most nodes that are told went on."""

    nodes: int
    reached: int
    ended: int


class PathsPage(WholeAnswer, omit_defaults=True):
    """Whole paths, the most frequent first. `count` is how many there are, `other` null where all
    are shown."""

    items: list[PathFound]
    other: OtherPaths | None
    drop_off: list[DropOff]
    count: int
    name: str
    title: str


def paths_page(installation: Installation, name: str, question: PathsQuestion) -> PathsPage:
    """The most frequent paths. Raises `BadRequest`, `NotThere` and `StoreUnavailable`."""
    fold = find_fold(installation.folds, name, KIND)
    span = span_of(question.start_from, question.start_to, question.since, installation)
    with open_told(installation, fold) as told:
        slices = slices_of(told, told.kept(span), ("path", "length", "is_cut"))
        rows = alike(pl.concat(map(alike, slices)))
    count = int(rows["gone"].sum())
    found = whole_paths(rows, question.limit).rows()
    shown = [(path, times) for path, times in found if path is not None]
    rest = [times for path, times in found if path is None]
    distinct = rows["path"].n_unique()
    return PathsPage(
        items=[
            PathFound(msgspec.json.decode(path, type=list[str]), times, times / count)
            for path, times in shown
        ],
        other=OtherPaths(distinct - len(shown), rest[0], rest[0] / count) if rest else None,
        drop_off=[DropOff(*row) for row in drop_off(rows).rows()],
        count=count,
        name=fold.name,
        title=fold.title,
        **told.fields,
    )
