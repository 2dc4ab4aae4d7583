"""The addresses of joins: rows, what they come to, and the events behind one."""

from collections.abc import Mapping

from rtcdp.answers.export import ColumnType
from rtcdp.answers.folds import JOINS_PATH, find_fold
from rtcdp.answers.freshness import Installation
from rtcdp.answers.join_totals import JoinTotalsQuestion, join_totals
from rtcdp.answers.joins import KIND, JoinRowsQuestion, join_events, join_page, types_of_join
from rtcdp.answers.question import Nothing
from rtcdp.api.pages import PageAt
from rtcdp.api.query import Asked


def _rows_of(installation: Installation, name: str) -> Asked[JoinRowsQuestion]:
    key = find_fold(installation.folds, name, KIND).key
    return Asked(JoinRowsQuestion, {key: f"of this {key}"})


def _columns_of_rows(installation: Installation, name: str, _: object) -> Mapping[str, ColumnType]:
    return types_of_join(find_fold(installation.folds, name, KIND))


JOIN_PAGES = (
    PageAt(
        f"{JOINS_PATH}{{name:str}}",
        "join_rows",
        join_page,
        Asked(JoinRowsQuestion, {"userId": "of this user"}),
        "What became of each left event of a join",
        "Newest first: what is put into a cart, and whether it was bought. `outcome` is a "
        "word of the join's (converted, abandoned), or waiting while the time for a partner is not "
        "over.",
        asked_now=_rows_of,
        columns=_columns_of_rows,
    ),
    PageAt(
        f"{JOINS_PATH}{{name:str}}/totals",
        "totals_of_join",
        join_totals,
        Asked(JoinTotalsQuestion),
        "What a join comes to, by the hour or day",
        "Newest first, and all together: by outcome how many and the values at stake, the "
        "share with a partner, and how long it took.",
    ),
    PageAt(
        f"{JOINS_PATH}{{name:str}}/{{rowId:path}}",
        "events_of_join",
        join_events,
        Asked(Nothing),
        "The two events behind a row of a join",
        "`rowId` is the `id` of a row; each row has the whole address as `events_url`.",
        id_is="id of the row",
        group="Look",
    ),
)
"""All of them, to be given to the API's router."""
