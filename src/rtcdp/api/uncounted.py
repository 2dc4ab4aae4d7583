"""The side door: records that were not counted, with the reasons and, where kept, their bytes."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, cast, get_args

import msgspec
from litestar import Request, Response, get

from rtcdp.answers.cursor import INSTANT, OFFSET, PARTITION, combinations, write_cursor
from rtcdp.answers.freshness import open_reading
from rtcdp.answers.instant import iso_ms, iso_ms_or_none
from rtcdp.api.context import ApiContext, Context, answer
from rtcdp.api.parameter import (
    CURSOR,
    SINCE,
    QueryParameter,
    documented,
    instant,
    limit,
    text,
    words,
)
from rtcdp.api.query import Query, read_query
from rtcdp.events.dead_letter import DeadLetterReason
from rtcdp.store import UncountedScan

_DEFAULT_PAGE = 100
_MAX_PAGE = 1000
_POSITION = (INSTANT, PARTITION, OFFSET)

RawEncoding = Literal["utf-8", "base64"]
Verdict = Literal["duplicate", "late", "dead_letter"]

_REASONS: dict[Verdict, tuple[str, ...]] = {
    "dead_letter": get_args(DeadLetterReason),
    "late": ("late",),
    "duplicate": ("duplicate", "conflict"),
}


def _parameters(verdict: Verdict) -> tuple[QueryParameter, ...]:
    return (
        words("reason", "with this reason", _REASONS[verdict], is_many=True),
        text("source", "of this source"),
        text("userId", "of this user, where it is known"),
        instant("from", "taken in at this time or later"),
        SINCE,
        instant("to", "taken in before this time"),
        limit(_DEFAULT_PAGE, _MAX_PAGE),
        CURSOR,
    )


class UncountedRecord(msgspec.Struct):
    """One record that was not counted. `step` is the admission step that decided, `message` says
    what to send instead. `raw` is the record: as text where `raw_encoding` is utf-8, else
    base64; null for duplicates. `replayed_at` is set once a dead letter was replayed."""

    partition: int
    offset: int
    source: str
    received_at: str
    verdict: str
    reason: str | None
    step: str | None
    message: str | None
    eventId: str | None  # noqa: N815
    userId: str | None  # noqa: N815
    event_time: str | None
    raw: str | None
    raw_encoding: RawEncoding | None
    replayed_at: str | None


class UncountedPage(msgspec.Struct, omit_defaults=True):
    """Records, newest first."""

    items: list[UncountedRecord]
    next_cursor: str | None
    as_of: str | None
    lag_ms: int | None
    warning: str | None = None


@get(
    "/api/dead-letters",
    summary="Records that can't be admitted",
    description="Newest first, with the reason, the step that found it, and the raw bytes.",
    operation_class=documented(*_parameters("dead_letter")),
    sync_to_thread=True,
)
def dead_letters(request: Request[Any, Any, Any], context: Context) -> Response[UncountedPage]:
    return _page(request, context, "dead_letter")


@get(
    "/api/late-events",
    summary="Events that came too late",
    description="Newest first: valid events, older at intake than allowed.",
    operation_class=documented(*_parameters("late")),
    sync_to_thread=True,
)
def late_events(request: Request[Any, Any, Any], context: Context) -> Response[UncountedPage]:
    return _page(request, context, "late")


@get(
    "/api/duplicates",
    summary="Records whose event id was there before",
    description="Newest first. `reason` tells copies from conflicts (same id, other content).",
    operation_class=documented(*_parameters("duplicate")),
    sync_to_thread=True,
)
def duplicates(request: Request[Any, Any, Any], context: Context) -> Response[UncountedPage]:
    return _page(request, context, "duplicate")


def _page(
    request: Request[Any, Any, Any], context: ApiContext, verdict: Verdict
) -> Response[UncountedPage]:
    query = read_query(request, _parameters(verdict))
    most = query.number("limit", default=_DEFAULT_PAGE, most=_MAX_PAGE)
    start, end = query.start(context.installation.clock.now_ms), query.instant("to")
    after = cast("tuple[int, int, int] | None", query.cursor(_POSITION))
    if end is not None:
        # Newest first, the first place with that time comes after all of them.
        after = min((end, 0, 0), after or (end, 0, 0))
    every = UncountedScan(verdict=verdict, after=after, limit=most + 1)
    scans = [
        replace(
            every,
            reason=chosen.get("reason"),
            source=chosen.get("source"),
            user_id=chosen.get("userId"),
        )
        for chosen in combinations(_filters(query, verdict))
    ]
    rows: list[dict[str, Any]] = []
    with open_reading(context.installation) as reading:
        for scan in scans:
            rows += reading.snapshot.uncounted(scan).to_dicts()
            rows = sorted(rows, key=_place, reverse=True)[: most + 1]
    rows = [row for row in rows if start is None or row["received_at"] >= start]
    page = rows[:most]
    last = page[-1] if len(rows) > most else None
    fresh = reading.freshness
    answered = UncountedPage(
        items=[_shown(row) for row in page],
        next_cursor=None if last is None else write_cursor(_place(last)),
        as_of=fresh.as_of_text,
        lag_ms=fresh.lag_ms,
        warning=fresh.warning,
    )
    return answer(answered, fresh)


def _filters(query: Query, verdict: Verdict) -> dict[str, tuple[str, ...]]:
    reasons = query.some_of("reason", _REASONS[verdict])
    return {**query.equals(), **({"reason": reasons} if reasons else {})}


def _place(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return (row["received_at"], row["partition"], row["offset"])


def _shown(row: Mapping[str, Any]) -> UncountedRecord:
    raw, encoding = _as_text(row["raw"])
    return UncountedRecord(
        partition=row["partition"],
        offset=row["offset"],
        source=row["source"],
        received_at=iso_ms(row["received_at"]),
        verdict=row["verdict"],
        reason=row["reason"],
        step=row["step"],
        message=row["message"],
        eventId=row["event_id"],
        userId=row["user_id"],
        event_time=iso_ms_or_none(row["event_time"]),
        raw=raw,
        raw_encoding=encoding,
        replayed_at=iso_ms_or_none(row["replayed_at"]),
    )


def _as_text(raw: bytes | None) -> tuple[str | None, RawEncoding | None]:
    if raw is None:
        return None, None
    text_encoding, bytes_encoding = get_args(RawEncoding)
    try:
        return raw.decode(), text_encoding
    except UnicodeDecodeError:
        return b64encode(raw).decode(), bytes_encoding
