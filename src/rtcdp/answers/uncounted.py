"""The side door: records that were not counted, with the reasons and, where kept, their bytes."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, cast, get_args

import msgspec

from rtcdp.answers.cursor import (
    INSTANT,
    OFFSET,
    PARTITION,
    combinations,
    read_cursor,
    write_cursor,
)
from rtcdp.answers.freshness import FreshAnswer, Installation, open_reading
from rtcdp.answers.instant import iso_ms, iso_ms_or_none
from rtcdp.answers.question import INSTANT as AS_INSTANT
from rtcdp.answers.question import NAMES, Cursor, Limit, Since, Texts, beginning
from rtcdp.events.dead_letter import DeadLetterReason
from rtcdp.events.mistaken_units import doubt_about
from rtcdp.store import UncountedScan

_POSITION = (INSTANT, PARTITION, OFFSET)

RawEncoding = Literal["utf-8", "base64"]
Verdict = Literal["duplicate", "late", "dead_letter"]

FILTERS = {"source": "of this source", "userId": "of this user, where it is known"}
"""What a question's `equals` may name."""

_REASON = msgspec.Meta(description="with this reason")


class _Which(msgspec.Struct, frozen=True, kw_only=True, rename=NAMES):
    """Which records with one verdict."""

    verdict: ClassVar[Verdict]

    reason: tuple[str, ...] = ()
    equals: Texts = {}
    start_from: Annotated[
        int | None,
        msgspec.Meta(description="taken in at this time or later", extra=AS_INSTANT),
    ] = None
    since: Since = None
    start_to: Annotated[
        int | None, msgspec.Meta(description="taken in before this time", extra=AS_INSTANT)
    ] = None
    limit: Limit = 100
    cursor: Cursor = None


class DeadLettersQuestion(_Which, frozen=True, kw_only=True, rename=NAMES):
    """Which records that can't be admitted."""

    verdict = "dead_letter"

    reason: Annotated[tuple[DeadLetterReason, ...], _REASON] = ()


class LateEventsQuestion(_Which, frozen=True, kw_only=True, rename=NAMES):
    """Which events that came too late."""

    verdict = "late"

    reason: Annotated[tuple[Literal["late"], ...], _REASON] = ()


class DuplicatesQuestion(_Which, frozen=True, kw_only=True, rename=NAMES):
    """Which records whose event id was there before."""

    verdict = "duplicate"

    reason: Annotated[tuple[Literal["duplicate", "conflict"], ...], _REASON] = ()


UncountedQuestion = DeadLettersQuestion | LateEventsQuestion | DuplicatesQuestion


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


class UncountedPage(FreshAnswer, omit_defaults=True):
    """Records, newest first."""

    items: list[UncountedRecord]
    next_cursor: str | None


def uncounted_page(installation: Installation, question: UncountedQuestion) -> UncountedPage:
    """A page of records, newest first. Raises `BadRequest` and `StoreUnavailable`."""
    most = question.limit
    end = question.start_to
    start = beginning(question.start_from, question.since, installation.clock.now_ms(), end)
    after = cast("tuple[int, int, int] | None", read_cursor(question.cursor, _POSITION))
    if end is not None:
        # Newest first, the first place with that time comes after all of them.
        after = min((end, 0, 0), after or (end, 0, 0))
    every = UncountedScan(verdict=question.verdict, after=after, limit=most + 1)
    reasons = {"reason": question.reason} if question.reason else {}
    scans = [
        replace(
            every,
            reason=chosen.get("reason"),
            source=chosen.get("source"),
            user_id=chosen.get("userId"),
        )
        for chosen in combinations({**question.equals, **reasons})
    ]
    rows: list[dict[str, Any]] = []
    with open_reading(installation) as reading:
        for scan in scans:
            rows += reading.snapshot.uncounted(scan).to_dicts()
            rows = sorted(rows, key=_place, reverse=True)[: most + 1]
    rows = [row for row in rows if start is None or row["received_at"] >= start]
    page = rows[:most]
    last = page[-1] if len(rows) > most else None
    return UncountedPage(
        items=[shown_record(row) for row in page],
        next_cursor=None if last is None else write_cursor(_place(last)),
        **reading.freshness.fields,
    )


def _place(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return (row["received_at"], row["partition"], row["offset"])


def shown_record(row: Mapping[str, Any]) -> UncountedRecord:
    """A row of `StoreSnapshot.uncounted`, as answers tell it."""
    raw, encoding = _as_text(row["raw"])
    return UncountedRecord(
        partition=row["partition"],
        offset=row["offset"],
        source=row["source"],
        received_at=iso_ms(row["received_at"]),
        verdict=row["verdict"],
        reason=row["reason"],
        step=row["step"],
        message=_message(row),
        eventId=row["event_id"],
        userId=row["user_id"],
        event_time=iso_ms_or_none(row["event_time"]),
        raw=raw,
        raw_encoding=encoding,
        replayed_at=iso_ms_or_none(row["replayed_at"]),
    )


def _message(row: Mapping[str, Any]) -> str | None:
    """What admission said; more of those that are late because of the unit of their time."""
    instant: int | None = row["event_time"]
    if row["verdict"] != "late" or instant is None:
        return cast("str | None", row["message"])
    doubt = doubt_about(instant)
    return cast("str | None", row["message"] if doubt is None else doubt)


def _as_text(raw: bytes | None) -> tuple[str | None, RawEncoding | None]:
    if raw is None:
        return None, None
    text_encoding, bytes_encoding = get_args(RawEncoding)
    try:
        return raw.decode(), text_encoding
    except UnicodeDecodeError:
        return b64encode(raw).decode(), bytes_encoding
