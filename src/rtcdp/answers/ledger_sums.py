"""The ledger of a time: what became of the records of each source, and how many came in when."""

from collections.abc import Callable
from typing import Annotated

import msgspec
import polars as pl

from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.answers.instant import iso_ms, iso_ms_or_none
from rtcdp.answers.ledger import LedgerTotals
from rtcdp.answers.question import NAMES, From, Since, To, beginning
from rtcdp.clock import MINUTE_MS

ROWS_MAX = 200_000
"""So many minutes of sources are added up at most, the newest."""

_SLICE = 10_000
_ROUND_MS = tuple(MINUTE_MS * each for each in (1, 5, 15, 60, 360, 1440, 10_080))
_PARTS = tuple(LedgerTotals.__struct_fields__)


class LedgerSumsQuestion(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which minutes of intake are added up."""

    start_from: From = None
    start_to: To = None
    since: Since = None
    buckets: Annotated[
        int, msgspec.Meta(description="into how many stretches of time at most", ge=1, le=1000)
    ] = 120


class SourceSums(LedgerTotals):
    """What became of the records of one source."""

    source: str


class IntakeStretch(msgspec.Struct):
    """How many records came in from a time on, up to the next one."""

    start: str
    received: int
    admitted: int


class LedgerSums(msgspec.Struct, omit_defaults=True):
    """The totals of all time, sources with most records first, and stretches of `stretch_ms`,
    oldest first. `counted_from` is there when there were too many minutes to add up all of them."""

    totals: LedgerTotals
    sources: list[SourceSums]
    stretches: list[IntakeStretch]
    stretch_ms: int
    watermark: str | None
    epoch: int
    committed_at: str | None
    engine: str
    as_of: str | None
    lag_ms: int | None
    counted_from: str | None = None
    warning: str | None = None


def ledger_sums(installation: Installation, question: LedgerSumsQuestion) -> LedgerSums:
    """The sums of a time. Raises `BadRequest` and `StoreUnavailable`."""
    now_ms = installation.clock.now_ms()
    start = beginning(question.start_from, question.since, now_ms, question.start_to)
    with open_reading(installation) as reading:
        totals = reading.snapshot.ledger_totals()
        progress = reading.snapshot.progress
        minutes, is_cut = _minutes(reading.snapshot.ledger, start, question.start_to)
    oldest: int | None = minutes.select(pl.col("minute").min()).item()
    by_source = minutes.group_by("source").agg(pl.col(_PARTS).sum().cast(pl.Int64))
    newest = now_ms if question.start_to is None else question.start_to - 1
    first = oldest if start is None else start
    stretch_ms = _stretch_ms(newest if first is None else first, newest, question.buckets)
    floor = pl.col("minute") // stretch_ms * stretch_ms
    by_time = minutes.group_by(floor.alias("start")).agg(
        pl.col("received", "admitted").sum().cast(pl.Int64)
    )
    return LedgerSums(
        totals=msgspec.convert(totals, LedgerTotals),
        sources=[
            SourceSums(**row)
            for row in by_source.sort("received", "source", descending=[True, False]).to_dicts()
        ],
        stretches=[
            IntakeStretch(iso_ms(row["start"]), row["received"], row["admitted"])
            for row in by_time.sort("start").to_dicts()
        ],
        stretch_ms=stretch_ms,
        watermark=iso_ms_or_none(progress.watermark(installation.allowed_lateness_ms)),
        epoch=progress.epoch,
        committed_at=iso_ms_or_none(progress.committed_at or None),
        engine=progress.engine,
        counted_from=iso_ms_or_none(oldest if is_cut else None),
        **reading.freshness.fields,
    )


def _minutes(
    ledger: Callable[..., pl.DataFrame], start: int | None, end: int | None
) -> tuple[pl.DataFrame, bool]:
    """The minutes from a time on, before another, and whether there are more than are looked
    at."""
    found: list[pl.DataFrame] = []
    # Newest first, and no source is called nothing: what comes after is all that is earlier.
    after = None if end is None else (end - 1, "")
    count = 0
    while count < ROWS_MAX:
        page = ledger(minute_from=start, after=after, limit=_SLICE)
        found.append(page)
        count += page.height
        if page.height < _SLICE:
            return pl.concat(found), False
        after = page.select("minute", "source").row(-1)
    return pl.concat(found), True


def _stretch_ms(first: int, last: int, buckets: int) -> int:
    """The shortest of some round times that cuts what lies between two minutes into so many
    stretches at most."""
    fitting = (each for each in _ROUND_MS if last // each - first // each + 1 <= buckets)
    return next(fitting, _ROUND_MS[-1])
