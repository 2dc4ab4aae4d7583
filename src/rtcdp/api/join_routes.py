"""The addresses of joins: rows, what they come to, and the events behind one."""

from litestar import Response, get
from litestar.params import FromPath

from rtcdp.answers.fold_rows import RowsPage
from rtcdp.answers.folds import JOINS_PATH, find_fold
from rtcdp.answers.join_totals import JoinTotals, JoinTotalsQuestion, join_totals
from rtcdp.answers.joins import (
    EVENTS,
    KIND,
    JoinEvents,
    JoinRowsQuestion,
    join_events,
    join_page,
)
from rtcdp.answers.question import Nothing
from rtcdp.api.address import AnyRequest, text_in_path
from rtcdp.api.context import Context, answer, complete_from_header
from rtcdp.api.documentation import documented
from rtcdp.api.query import Asked

_ROWS = Asked(JoinRowsQuestion, {"userId": "of this user"})
_TOTALS = Asked(JoinTotalsQuestion)
_EVENTS = Asked(Nothing)


@get(
    f"{JOINS_PATH}{{name:str}}",
    summary="What became of each left event of a join",
    description="Newest first: what is put into a cart, and whether it was bought. `outcome` is a "
    "word of the join's (converted, abandoned), or waiting while the time for a partner is not "
    "over.",
    operation_class=documented(_ROWS),
    sync_to_thread=True,
)
def join_rows(request: AnyRequest, context: Context, name: FromPath[str]) -> Response[RowsPage]:
    fold = find_fold(context.installation.folds, name, KIND)
    asked = Asked(JoinRowsQuestion, {fold.key: f"of this {fold.key}"})
    page = join_page(context.installation, name, asked.read(request))
    return answer(page, page, complete_from_header(page.complete_from))


@get(
    f"{JOINS_PATH}{{name:str}}/totals",
    summary="What a join comes to, by the hour or day",
    description="Newest first, and all together: by outcome how many and the values at stake, the "
    "share with a partner, and how long it took.",
    operation_class=documented(_TOTALS),
    sync_to_thread=True,
)
def totals_of_join(
    request: AnyRequest, context: Context, name: FromPath[str]
) -> Response[JoinTotals]:
    page = join_totals(context.installation, name, _TOTALS.read(request))
    return answer(page, page, complete_from_header(page.complete_from))


@get(
    f"{JOINS_PATH}{{name:str}}/{{rowId:path}}",
    summary="The two events behind a row of a join",
    description="`rowId` is the `id` of a row; each row has the whole address as `events_url`.",
    operation_class=documented(_EVENTS),
    sync_to_thread=True,
)
def events_of_join(
    request: AnyRequest, context: Context, name: FromPath[str]
) -> Response[JoinEvents]:
    _EVENTS.read(request)
    row_id = text_in_path(request, f"{JOINS_PATH}{name}/", EVENTS, "id of the row")
    page = join_events(context.installation, name, row_id)
    return answer(page, page)


JOIN_HANDLERS = (join_rows, totals_of_join, events_of_join)
"""All of them, to be given to the API's router."""
