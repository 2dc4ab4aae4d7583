"""Answers of queries by hand."""

from collections.abc import Sequence
from typing import Any

from rtcdp.answers.instant import iso_ms
from rtcdp.answers.query import QueryColumnDescription, QueryPage, QueryQuestion

HOUR = 3_600_000
ASKED = QueryQuestion(metrics=("views.n",), group_by=("userId",), interval="hour")


def answer_of(
    rows: Sequence[tuple[int, str | None, int]],
    by: tuple[str, ...] = ("userId",),
    columns: Sequence[str] = ("views.n",),
) -> QueryPage:
    """Hours since 1970 with a user (None: seven others) and the number of each column."""
    items: list[dict[str, Any]] = [
        {
            "window_start": iso_ms(hour * HOUR),
            "window_end": iso_ms((hour + 1) * HOUR),
            **dict.fromkeys(by, user),
            **dict.fromkeys(columns, number),
            "final": True,
            **({"other": True} if user is None else {}),
        }
        for hour, user, number in rows
    ]
    return QueryPage(
        items=items,
        columns=[
            QueryColumnDescription(name, *name.split("."), "count", "integer", "how many")
            for name in columns
        ],
        group_by=by,
        interval="hour",
        tz="UTC",
        start_from=items[0]["window_start"],
        start_to=items[-1]["window_end"],
        group_count=20,
        other_count=7,
        as_of=None,
        lag_ms=0,
    )
