"""The list of those behind a number of a retention or of paths, as pages show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from rtcdp.answers.fold_people import FoldPeoplePage
from rtcdp.dashboard.address import PEOPLE_CURSOR
from rtcdp.dashboard.page import PageAsked
from rtcdp.dashboard.stories import api_address, instant_of, user_href
from rtcdp.definitions import Fold


@dataclass(frozen=True)
class FoldPerson:
    """One of those who are counted: when they started, and along which path."""

    whose: str
    href: str | None
    started_at: int | None
    path: Sequence[str]


@dataclass(frozen=True)
class FoldPeople:
    """Those behind one number, which `words` say, and where the list goes on and ends."""

    words: str
    key: str
    answer: FoldPeoplePage
    items: Sequence[FoldPerson]
    first_href: str | None
    next_href: str | None
    close_href: str
    api: str


def fold_people(
    asked: PageAsked[Any],
    fold: Fold,
    answer: FoldPeoplePage,
    words: str,
    api: tuple[str, Mapping[str, object]],
) -> FoldPeople:
    """The list; `api` is its address for programs, with what was asked for there."""
    address = asked.address
    further = answer.next_cursor
    begun = any(name == PEOPLE_CURSOR for name, _ in address.pairs)
    close = {**dict.fromkeys(_CHOOSING), PEOPLE_CURSOR: None}
    return FoldPeople(
        words=words,
        key=fold.key,
        answer=answer,
        items=[_person(asked, fold, item) for item in answer.items],
        first_href=f"{address.but({PEOPLE_CURSOR: None})}#people" if begun else None,
        next_href=f"{address.but({PEOPLE_CURSOR: further})}#people" if further else None,
        close_href=address.but({**close}),
        api=api_address(*api),
    )


_CHOOSING = ("cohort", "after", "list", "path", "nodes", "node", "ended")
"""What chooses the number whose people are listed."""


def href_of_people(asked: PageAsked[Any], **chosen: str | int) -> str:
    """The page with the list of those behind another number."""
    every = {**dict.fromkeys((*_CHOOSING, PEOPLE_CURSOR)), **chosen}
    return f"{asked.address.but({**every})}#people"


def _person(asked: PageAsked[Any], fold: Fold, item: Mapping[str, Any]) -> FoldPerson:
    whose, path = str(item[fold.key]), item.get("path")
    return FoldPerson(
        whose=whose,
        href=user_href(asked, fold.key, whose),
        started_at=instant_of(item["started_at"]),
        path=[] if path is None else msgspec.json.decode(path, type=list[str]),
    )
