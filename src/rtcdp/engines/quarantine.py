"""Records that make the processor fail: who they are, and how a batch is taken apart to find them.

A batch that can't be counted is cut in two, and each half is counted by itself, until the one
record is left that can't. It becomes a dead letter with the reason `processor_error`, and can be
replayed once the defect is mended.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from rtcdp.admission.order import lined_up
from rtcdp.errors import RtcdpError
from rtcdp.events.dead_letter import DeadLetterReason, Rejection
from rtcdp.log.contract import Records
from rtcdp.store import RowsRefused, Store, UncountedScan

REASON: DeadLetterReason = "processor_error"
MESSAGE_CHARACTERS_MAX = 500

FAILURES = (Exception, pl.exceptions.PanicException)
"""What can be a record's fault: a panic of Polars is no `Exception`."""

_PAGE = 1_000


def is_fault_of_a_record(error: BaseException) -> bool:
    """Whether counting other records can succeed although this happened. Our own errors say that
    the log or the store is away, was replaced or taken over; all others are nobody's word."""
    return not isinstance(error, RtcdpError) or isinstance(error, RowsRefused)


def rejection_for(error: BaseException) -> Rejection:
    """Why a record becomes a dead letter after this."""
    message = f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS_MAX]
    return Rejection(REASON, "count", message)


def halves(pieces: Sequence[Records]) -> tuple[tuple[Records, ...], tuple[Records, ...]]:
    """The first half of the records and the others, in the order in which they are decided; two
    records at least. Each half has the same order by itself, so that cutting changes no verdict."""
    partitions, offsets, due = lined_up(pieces)
    later = np.argsort(due, kind="stable")[len(due) // 2 :]
    cuts: dict[int, int] = {}
    for partition, offset in zip(partitions[later].tolist(), offsets[later].tolist(), strict=True):
        cuts[partition] = min(offset, cuts.get(partition, offset))
    first: list[Records] = []
    others: list[Records] = []
    for piece in pieces:
        cut = cuts.get(piece.partition, piece.next_offset)
        first += [piece.until(cut)] if piece.first_offset < cut else []
        others += [piece.since(cut)] if piece.next_offset > cut else []
    return tuple(first), tuple(others)


def places_left_out(store: Store) -> frozenset[tuple[int, int]]:
    """Partition and offset of the records that the store keeps as dead letters of this kind."""
    return _places(store, UncountedScan(verdict="dead_letter", reason=REASON, limit=_PAGE))


def erased_places(store: Store) -> frozenset[tuple[int, int]]:
    """Partition and offset of the records that were erased, as long as the store knows of them."""
    return _places(store, UncountedScan(verdict="erased", limit=_PAGE))


def _places(store: Store, scan: UncountedScan) -> frozenset[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while True:
        with store.snapshot() as snapshot:
            page = snapshot.uncounted(scan).select("received_at", "partition", "offset").rows()
        found += [(partition, offset) for _, partition, offset in page]
        if len(page) < _PAGE:
            return frozenset(found)
        scan = replace(scan, after=page[-1])
