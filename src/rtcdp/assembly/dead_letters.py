"""Replays dead letters: those that can be admitted now go to the log again, once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rtcdp.clock import Clock
from rtcdp.events.admission import AdmissionRules, ahead_of_clock, position_id
from rtcdp.events.codec import decode
from rtcdp.events.dead_letter import Rejection
from rtcdp.log.log import Delivery, LogWriter
from rtcdp.store.store import Store, UncountedScan

_PAGE = 1_000

DeadLetter = dict[str, Any]
"""A row as `StoreSnapshot.uncounted` gives it, by column name."""


@dataclass(frozen=True)
class Replayed:
    """How many dead letters went to the log again, and how many still can't be admitted and were
    left where they are."""

    replayed: int = 0
    still_dead: int = 0


def dead_letters_of(store: Store, wanted: UncountedScan, most: int) -> list[DeadLetter]:
    """The newest `most` dead letters among those wanted."""
    found: list[DeadLetter] = []
    for page in _pages(store, replace(wanted, verdict="dead_letter", limit=min(_PAGE, most))):
        found += page
        if len(found) >= most:
            break
    return found[:most]


def replay_dead_letters(
    writer: LogWriter, store: Store, clock: Clock, rules: AdmissionRules, wanted: UncountedScan
) -> Replayed:
    """Append the bytes of the wanted dead letters that were never replayed, and mark them.

    The new records have their true intake time and are marked as imported, because their events
    may be old by now: they are never late. A record without an event id takes its first position
    as one, so a replay that was interrupted before it could mark them counts nothing twice. Records
    that would be dead letters again are left out. Raises what the log and the store raise.
    """
    done = Replayed()
    scan = replace(wanted, verdict="dead_letter", only_not_replayed=True, limit=_PAGE)
    for page in _pages(store, scan):
        now_ms = clock.now_ms()
        ready = [letter for letter in page if _can_be_admitted(letter, now_ms, rules)]
        if ready:
            writer.append([_delivery(letter, now_ms) for letter in ready])
            places = [(letter["partition"], letter["offset"]) for letter in ready]
            store.mark_replayed(places, now_ms)
        done = Replayed(done.replayed + len(ready), done.still_dead + len(page) - len(ready))
    return done


def _pages(store: Store, scan: UncountedScan) -> Iterator[list[DeadLetter]]:
    """Page after page, each from a snapshot of its own."""
    while True:
        with store.snapshot() as snapshot:
            page = snapshot.uncounted(scan).to_dicts()
        if page:
            yield page
        if len(page) < scan.limit:
            return
        last = page[-1]
        scan = replace(scan, after=(last["received_at"], last["partition"], last["offset"]))


def _can_be_admitted(letter: DeadLetter, now_ms: int, rules: AdmissionRules) -> bool:
    if letter["reason"] == "corrupt" or letter["raw"] is None:
        return False
    event = decode(letter["raw"])
    return (
        not isinstance(event, Rejection) and ahead_of_clock(event.timestamp_ms, now_ms, rules) <= 0
    )


def _delivery(letter: DeadLetter, now_ms: int) -> Delivery:
    return Delivery(
        lines=b"",
        line_count=0,
        received_at=now_ms,
        source=letter["source"],
        intake="import",
        rejects=((0, letter["raw"]),),
        replay_of=position_id(letter["partition"], letter["offset"]),
    )
