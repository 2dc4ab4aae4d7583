"""What the pages of stories have in common: which fold is looked at, in which time, and the address
of the same answer for programs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict
from urllib.parse import quote

import msgspec

from rtcdp.answers.folds import find_fold, kind_of
from rtcdp.answers.freshness import Installation
from rtcdp.answers.instant import iso_ms_or_none, read_instant
from rtcdp.dashboard.address import segment, written
from rtcdp.dashboard.page import PageAsked
from rtcdp.definitions import Fold

EVENTS = "/events"
RECOMMENDATIONS = "/recommendations"
USERS = "/users/"
SESSIONS = "/sessions/"


@dataclass(frozen=True)
class Tab:
    """One of several to choose from."""

    title: str
    href: str
    is_here: bool


class InTime(TypedDict):
    """The time of a page as questions take it. One of which nobody said an end has none: events of
    clocks that are a little ahead belong to it."""

    start_from: int | None
    start_to: int | None


def in_time(asked: PageAsked[Any]) -> InTime:
    """The time that is looked at. Raises `BadRequest`."""
    period, has_end = asked.period, asked.question.start_to is not None
    return InTime(start_from=period.start, start_to=period.end if has_end else None)


def chosen_fold(asked: PageAsked[Any], kind: str, name: str | None = None) -> Fold | None:
    """The fold that the path names, or else the first of its kind; None where there is none.

    Raises `NotThere` where the one that is named is none of them.
    """
    folds = asked.installation.folds
    name = name or asked.in_path("name")
    if name is not None:
        return find_fold(folds, name, kind)
    return next((fold for fold in folds if kind_of(fold.step) == kind), None)


def fold_tabs(
    installation: Installation, chosen: Fold, href_of: Callable[[Fold], str]
) -> tuple[Tab, ...]:
    """All folds of the kind of the chosen one; none to choose from where it is the only one."""
    kind = kind_of(chosen.step)
    found = [fold for fold in installation.folds if kind_of(fold.step) == kind]
    if len(found) < 2:
        return ()
    return tuple(Tab(fold.title, href_of(fold), fold.name == chosen.name) for fold in found)


def api_address(path: str, asked: Mapping[str, object]) -> str:
    """Where programs get the same; what is None is not asked for, and times are in UTC."""
    pairs = [(name, str(value)) for name, value in asked.items() if value is not None]
    return written(path, pairs)


def from_to(time: InTime) -> dict[str, str | None]:
    """A time as addresses of the API say it."""
    return {"from": iso_ms_or_none(time["start_from"]), "to": iso_ms_or_none(time["start_to"])}


def instant_of(text: str | None) -> int | None:
    """The time (UTC ms) that an answer says as a text."""
    return None if text is None else read_instant("time", text)


def user_href(asked: PageAsked[Any], key: str, whose: str) -> str | None:
    """The page of a user; None for keys of another kind, who have none."""
    return asked.address.elsewhere(f"{USERS}{segment(whose)}") if key == "userId" else None


def session_href(asked: PageAsked[Any], fold_name: str, session_id: str) -> str:
    """The page of one session."""
    fold = None if fold_name == "sessions" else fold_name
    return asked.address.elsewhere(f"{SESSIONS}{quote(session_id, safe='~')}", fold=fold)


@dataclass(frozen=True)
class EventShown:
    """An event of a story: when, of which type, and the other fields that it has."""

    at: int | None
    type: str
    fields: tuple[tuple[str, str], ...]


_FIRST = ("pageUrl", "productId", "value")
_LEFT_OUT = {"timestamp", "eventType", "eventId", "userId", "sessionId"}
"""What stands beside an event already, or is for programs alone."""


def event_shown(event: Mapping[str, Any]) -> EventShown:
    """An event as answers tell it, or as it was sent, with the fields first that say most."""
    others = [name for name in event if name not in _LEFT_OUT and name not in _FIRST]
    names = [name for name in (*_FIRST, *others) if event.get(name) is not None]
    return EventShown(
        at=instant_of(str(event["timestamp"])),
        type=str(event["eventType"]),
        fields=tuple((name, _text_of(event[name])) for name in names),
    )


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


@dataclass(frozen=True)
class SessionShown:
    """A session: whose, when, how much happened in it, and from which page to which."""

    id: str
    href: str
    whose: str
    whose_href: str | None
    start: int | None
    end: int | None
    row: Mapping[str, Any]


def session_shown(asked: PageAsked[Any], fold: Fold, row: Mapping[str, Any]) -> SessionShown:
    """A row of a fold of sessions, as answers tell it."""
    whose = str(row[fold.key])
    return SessionShown(
        id=str(row["id"]),
        href=session_href(asked, fold.name, str(row["id"])),
        whose=whose,
        whose_href=user_href(asked, fold.key, whose),
        start=instant_of(row["session_start"]),
        end=instant_of(row["session_end"]),
        row=row,
    )
