"""The ledger: what became of every record. received = admitted + duplicate + late + dead letter +
erased."""

from typing import cast

import msgspec

from rtcdp.answers.cursor import INSTANT, read_cursor, write_cursor
from rtcdp.answers.freshness import FreshAnswer, Installation, open_reading
from rtcdp.answers.instant import iso_ms
from rtcdp.answers.question import NAMES, Cursor, From, Limit, Since, beginning


class LedgerQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which minutes of the ledger."""

    start_from: From = None
    since: Since = None
    limit: Limit = 100
    cursor: Cursor = None


class LedgerTotals(msgspec.Struct):
    """Records over all time. `conflict` counts the duplicates that came with another content,
    `erased` the records of users who were erased."""

    received: int
    admitted: int
    duplicate: int
    late: int
    dead_letter: int
    conflict: int
    erased: int


class LedgerItem(LedgerTotals):
    """Records of one source that came in one minute of intake time."""

    source: str
    minute: str


class Ledger(FreshAnswer, omit_defaults=True):
    """Totals, and items by source and minute, newest minute first."""

    totals: LedgerTotals
    items: list[LedgerItem]
    next_cursor: str | None


def ledger_page(installation: Installation, question: LedgerQuestion) -> Ledger:
    """The totals and a page of minutes. Raises `BadRequest` and `StoreUnavailable`."""
    after = cast("tuple[int, str] | None", read_cursor(question.cursor, (INSTANT, str)))
    since = beginning(question.start_from, question.since, installation.clock.now_ms())
    with open_reading(installation) as reading:
        totals = reading.snapshot.ledger_totals()
        minutes = reading.snapshot.ledger(minute_from=since, after=after, limit=question.limit + 1)
    rows = minutes.to_dicts()
    page = rows[: question.limit]
    last = page[-1] if len(rows) > question.limit else None
    return Ledger(
        totals=msgspec.convert(totals, LedgerTotals),
        items=[LedgerItem(**{**row, "minute": iso_ms(row["minute"])}) for row in page],
        next_cursor=None if last is None else write_cursor((last["minute"], last["source"])),
        **reading.freshness.fields,
    )
