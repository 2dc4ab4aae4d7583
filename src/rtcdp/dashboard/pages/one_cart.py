"""One row of a join: what became of a left event, and the two events behind that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from rtcdp.answers.folds import JOINS_PATH, find_fold
from rtcdp.answers.joins import EVENTS, KIND, JoinEvents, join_events
from rtcdp.api.address import text_in_path
from rtcdp.dashboard.page import DashboardPage, PageAsked
from rtcdp.dashboard.stories import EventShown, event_shown, user_href

PATH = "/carts/"


@dataclass(frozen=True)
class OneCartShown:
    """The row, and its events in order of time: one alone where it has no partner, none where they
    are no longer kept."""

    answer: JoinEvents
    row: Mapping[str, Any]
    key: str
    whose: str
    whose_href: str | None
    what: str
    events: Sequence[EventShown]
    all_href: str
    api: str


def shown(asked: PageAsked[Any]) -> OneCartShown:
    """The row in the path. Raises `NotThere` and `StoreUnavailable`."""
    name = asked.in_path("name") or ""
    fold = find_fold(asked.installation.folds, name, KIND)
    row_id = text_in_path(asked.request, f"{PATH}{fold.name}/", "", "id of the row")
    answer = join_events(asked.installation, fold.name, row_id)
    whose = str(answer.row[fold.key])
    on: Sequence[str] = getattr(fold.step, "on", ())
    return OneCartShown(
        answer=answer,
        row=answer.row,
        key=fold.key,
        whose=whose,
        whose_href=user_href(asked, fold.key, whose),
        what=", ".join(str(answer.row[each]) for each in on),
        events=[event_shown(each) for each in (answer.left, answer.right) if each is not None],
        all_href=asked.address.elsewhere(f"{PATH}{fold.name}"),
        api=f"{JOINS_PATH}{fold.name}/{quote(row_id, safe='~')}{EVENTS}",
    )


PAGE = DashboardPage(
    title="Cart",
    paths=(f"{PATH}{{name:str}}/{{rowId:path}}",),
    template="one_cart.html",
    shown=shown,
    has_period=False,
)
"""What stands at `/carts/NAME/ID`."""
