"""Feeds one dead letter in again, as it came or mended, and tells what became of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from rtcdp.admission.replays import event_id_in, replay_of, still_dead
from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.verdicts import Verdict
from rtcdp.answers.freshness import Installation, open_reading
from rtcdp.answers.uncounted import UncountedRecord, shown_record
from rtcdp.errors import BadRequest, NotThere
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.contract import Appended, Delivery
from rtcdp.store import Store, StoreSnapshot, StoreUnavailable, UncountedScan

PATIENCE_S = 3.0
"""So long an answer waits for the record to be counted."""

_LOOK_EVERY_S = 0.05
_LAST_OFFSET = 2**62

Outcome = Literal[Verdict, "waiting"]
Place = tuple[int, int]


class Mended(msgspec.Struct, frozen=True):
    """The record as it is fed in; without it, as it came."""

    raw: str | None = None


class ReplayedPage(msgspec.Struct, omit_defaults=True):
    """The dead letter, which is replayed now, and what became of the record that took its place:
    `waiting` where it is not counted yet, or the log can't tell where it rests; `message` says more
    about one that is not counted."""

    outcome: Outcome
    letter: UncountedRecord
    as_of: str | None
    lag_ms: int | None
    message: str | None = None
    warning: str | None = None


@dataclass(frozen=True)
class MendedIntake:
    """How records get into the installation's log: `append` is a log writer's, and by the `rules`
    is decided what counts."""

    append: Callable[[Sequence[Delivery]], Sequence[Appended]]
    rules: AdmissionRules = AdmissionRules()


@dataclass(frozen=True)
class Mender:
    """What mends: an installation, its store opened for writing, and the way into its log. Waits
    for what it fed in to be counted at most `PATIENCE_S`."""

    installation: Installation
    store: Store
    intake: MendedIntake

    def replay(self, place: Place, mended: Mended) -> ReplayedPage:
        """Append the record to the log and mark the dead letter at a place. Tried again, also by
        several at once or after a crash in between, it counts once for as long as event ids are
        remembered: it has one. Later, where the mark is missing, it would count again;
        `rtcdp.runtime.dead_letters` looks into the log and marks it.

        Raises `NotThere` where no dead letter lies there, `BadRequest` for one that was replayed or
        what would be a dead letter again, `StoreUnavailable` that says so where the record rests in
        the log and the mark failed, and what the log and the store raise.
        """
        letter, raw = self._letter(place)
        if letter.replayed_at is not None:
            raise BadRequest(
                f"this dead letter was fed in again at {letter.replayed_at}",
                "there is nothing to do: each is replayed once",
            )
        sent = _sent(raw, mended)
        now_ms = self.installation.clock.now_ms()
        _check(raw, sent, still_dead(sent, now_ms, self.intake.rules))
        [appended] = self.intake.append([replay_of(*place, letter.source, sent, now_ms)])
        self._mark(place, now_ms)
        outcome, message = self._outcome((appended.partition, appended.first_offset))
        letter, _ = self._letter(place)
        with open_reading(self.installation) as reading:
            fresh = reading.freshness.fields
        return ReplayedPage(outcome=outcome, letter=letter, message=message, **fresh)

    def _mark(self, place: Place, now_ms: int) -> None:
        try:
            self.store.mark_replayed([place], now_ms)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"the record is in the log, but its letter can't be marked as replayed: {error}",
                "don't send it again: rtcdp dead-letters replay --all marks it",
            ) from error

    def _letter(self, place: Place) -> tuple[UncountedRecord, bytes | None]:
        row = None
        if max(place) <= _LAST_OFFSET:
            with self.installation.store.snapshot() as snapshot:
                row = _row_at(snapshot, place)
        if row is None or row["verdict"] != "dead_letter":
            raise NotThere(
                f"no dead letter lies at {place[0]}:{place[1]}", "/api/dead-letters lists them"
            )
        return shown_record(row), row["raw"]

    def _outcome(self, place: Place) -> tuple[Outcome, str | None]:
        """What became of a record, once it is counted."""
        partition, offset = place
        ends = time.monotonic() + PATIENCE_S
        while partition >= 0:
            with self.installation.store.snapshot() as snapshot:
                is_counted = snapshot.progress.next_offsets.get(partition, 0) > offset
                row = _row_at(snapshot, place) if is_counted else None
            if row is not None:
                return row["verdict"], row["message"]
            if is_counted:
                return "admitted", None
            if time.monotonic() >= ends:
                break
            time.sleep(_LOOK_EVERY_S)
        return "waiting", None


def _row_at(snapshot: StoreSnapshot, place: Place) -> dict[str, Any] | None:
    partition, offset = place
    scan = UncountedScan(partition=partition, offset_from=offset, offset_to=offset + 1, limit=1)
    rows = snapshot.uncounted(scan).to_dicts()
    return rows[0] if rows else None


def _sent(raw: bytes | None, mended: Mended) -> bytes:
    """What is fed in."""
    if mended.raw is not None:
        return mended.raw.strip().encode()
    if raw is None:
        raise BadRequest("the bytes of this record are not kept", "send it mended, as raw")
    return raw


def _check(raw: bytes | None, sent: bytes, rejection: Rejection | None) -> None:
    """Raises `BadRequest` for what can't be admitted, or would be another event."""
    if rejection is not None:
        raise BadRequest(f"it would be a dead letter again: {rejection.reason}", rejection.message)
    event = decode(sent)
    assert not isinstance(event, Rejection)
    came_with = None if raw is None else event_id_in(raw)
    if event.event_id == came_with:
        return
    if came_with is None:
        raise BadRequest(
            "it came without an event id, and gets one that can't be counted twice",
            "leave eventId away",
        )
    raise BadRequest(
        "it has another event id than it came with, and so might be counted twice",
        f"keep eventId as it came: {came_with}",
    )
