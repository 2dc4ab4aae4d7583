"""The ledger: what became of every record. received = admitted + duplicate + late + dead letter."""

from typing import Any, cast

import msgspec
from litestar import Request, Response, get

from rtcdp.answers.cursor import INSTANT, write_cursor
from rtcdp.answers.freshness import open_reading
from rtcdp.answers.instant import iso_ms
from rtcdp.api.context import Context, answer
from rtcdp.api.parameter import CURSOR, FROM, SINCE, documented, limit
from rtcdp.api.query import read_query

_DEFAULT_PAGE = 100
_MAX_PAGE = 1000
_PARAMETERS = (FROM, SINCE, limit(_DEFAULT_PAGE, _MAX_PAGE), CURSOR)


class LedgerTotals(msgspec.Struct):
    """Records over all time. `conflict` counts the duplicates that came with another content."""

    received: int
    admitted: int
    duplicate: int
    late: int
    dead_letter: int
    conflict: int


class LedgerItem(LedgerTotals):
    """Records of one source that came in one minute of intake time."""

    source: str
    minute: str


class Ledger(msgspec.Struct, omit_defaults=True):
    """Totals, and items by source and minute, newest minute first."""

    totals: LedgerTotals
    items: list[LedgerItem]
    next_cursor: str | None
    as_of: str | None
    lag_ms: int | None
    warning: str | None = None


@get(
    "/api/ledger",
    summary="What became of every record",
    operation_class=documented(*_PARAMETERS),
    sync_to_thread=True,
)
def ledger(request: Request[Any, Any, Any], context: Context) -> Response[Ledger]:
    query = read_query(request, _PARAMETERS)
    most = query.number("limit", default=_DEFAULT_PAGE, most=_MAX_PAGE)
    after = cast("tuple[int, str] | None", query.cursor((INSTANT, str)))
    since = query.start(context.installation.clock.now_ms)
    with open_reading(context.installation) as reading:
        totals = reading.snapshot.ledger_totals()
        rows = reading.snapshot.ledger(minute_from=since, after=after, limit=most + 1).to_dicts()
    page = rows[:most]
    last = page[-1] if len(rows) > most else None
    fresh = reading.freshness
    found = Ledger(
        totals=msgspec.convert(totals, LedgerTotals),
        items=[LedgerItem(**{**row, "minute": iso_ms(row["minute"])}) for row in page],
        next_cursor=None if last is None else write_cursor((last["minute"], last["source"])),
        as_of=fresh.as_of_text,
        lag_ms=fresh.lag_ms,
        warning=fresh.warning,
    )
    return answer(found, fresh)
