"""Replays dead letters: those that can be admitted now go to the log again, once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rtcdp.admission.replays import replay_of, still_dead
from rtcdp.admission.rules import AdmissionRules
from rtcdp.admission.steps import position_id
from rtcdp.clock import Clock
from rtcdp.log.contract import Delivery, LogReader, LogWriter
from rtcdp.store import Store, UncountedScan

_PAGE = 1_000
_SLICE_BYTES = 16 * 2**20

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


@dataclass(frozen=True)
class Parts:
    """What a replay works on."""

    log: LogReader
    writer: LogWriter
    store: Store


def replay_dead_letters(
    parts: Parts, clock: Clock, rules: AdmissionRules, wanted: UncountedScan
) -> Replayed:
    """Append the bytes of the wanted dead letters that were never replayed, and mark them.

    The new records have their true intake time and are marked as imported, because their events
    may be old by now: they are never late. What a replay that was interrupted has appended already,
    as it came or mended, is found in the log and only marked. Records that would be dead letters
    again are left out. Raises what the log and the store raise.
    """
    done = Replayed()
    in_the_log = _replays_in(parts.log)
    scan = replace(wanted, verdict="dead_letter", only_not_replayed=True, limit=_PAGE)
    for page in _pages(parts.store, scan):
        now_ms = clock.now_ms()
        missing = [letter for letter in page if _position(letter) not in in_the_log]
        fresh = [letter for letter in missing if _can_be_admitted(letter, now_ms, rules)]
        if fresh:
            parts.writer.append([_delivery(letter, now_ms) for letter in fresh])
            in_the_log.update(map(_position, fresh))
        rest_there = [letter for letter in page if _position(letter) in in_the_log]
        if rest_there:
            places = [(letter["partition"], letter["offset"]) for letter in rest_there]
            parts.store.mark_replayed(places, now_ms)
        still_there = len(page) - len(rest_there)
        done = Replayed(done.replayed + len(rest_there), done.still_dead + still_there)
    return done


def _replays_in(log: LogReader) -> set[str]:
    """The places of the dead letters that the log holds a replay of."""
    found: set[str] = set()
    for partition in log.partitions():
        extent = log.extent(partition)
        offset = extent.first_offset
        while offset < extent.next_offset:
            records = log.read(partition, offset, _SLICE_BYTES)
            if len(records) == 0:
                break
            found.update(record.replay_of for record in records.odd if record.replay_of)
            offset = records.next_offset
    return found


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


def _position(letter: DeadLetter) -> str:
    return position_id(letter["partition"], letter["offset"])


def _can_be_admitted(letter: DeadLetter, now_ms: int, rules: AdmissionRules) -> bool:
    if letter["reason"] == "corrupt" or letter["raw"] is None:
        return False
    return still_dead(letter["raw"], now_ms, rules) is None


def _delivery(letter: DeadLetter, now_ms: int) -> Delivery:
    place = (letter["partition"], letter["offset"])
    return replay_of(*place, letter["source"], letter["raw"], now_ms)
