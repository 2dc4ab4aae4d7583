"""What the engine must remember after a restart, and how it is read back from log and store."""

from collections.abc import Callable, Iterator, Mapping

from rtcdp.admission.batch import remember
from rtcdp.admission.event_id_index import SeenIds
from rtcdp.admission.merged_reader import MergedReader
from rtcdp.engines.decided import decided_batches, readable_from
from rtcdp.log.contract import LogReader, Records
from rtcdp.log.views import BoundedLogReader
from rtcdp.store import Store

_SLICE_BYTES = 16 * 2**20

SliceHandler = Callable[[], None]
"""Called after each slice of a long reading, so that its caller can do what can't wait."""


def remembered(
    log: LogReader,
    store: Store,
    seen: SeenIds,
    on_slice: SliceHandler = lambda: None,
    on_trouble: Callable[[str], None] = lambda _: None,
) -> SeenIds:
    """Fill `seen` with the ids of decided records that are not forgotten yet, from where the
    store's progress says. Nothing is judged again.

    `on_trouble` takes a sentence where log or store no longer hold what is to be remembered.
    """
    progress = store.progress()
    starts: dict[int, int] = {}
    for partition, end in progress.next_offsets.items():
        decided_from = progress.decided_from.get(partition, 0)
        # What the store has let go was not needed any more, or was said to be.
        wanted = max(progress.remembered_from.get(partition, 0), decided_from)
        starts[partition] = min(max(wanted, readable_from(log, progress, partition)), end)
        if starts[partition] > wanted and partition in progress.remembered_from:
            on_trouble(
                f"the event ids of partition {partition} are remembered from offset "
                f"{starts[partition]} on and not from {wanted}: the records before were deleted; "
                "repeats of them would count"
            )
    for decided in decided_batches(log, store, starts, progress.next_offsets, None, rounds_between):
        remember(decided, seen)
        on_slice()
    return seen


def rounds_between(
    log: LogReader,
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    round_bytes: int = _SLICE_BYTES,
) -> Iterator[tuple[Records, ...]]:
    """The records `[start, end)` of all partitions in the order in which they were counted, in
    rounds of about `round_bytes`."""
    reader = MergedReader(BoundedLogReader(log, ends), round_bytes)
    reached = {partition: start for partition, start in starts.items() if start < ends[partition]}
    while pieces := reader.read(reached):
        yield pieces
        reached |= {piece.partition: piece.next_offset for piece in pieces}


def too_many_ids(forgotten: int) -> str:
    """What to say of event ids that were forgotten before their time."""
    return (
        f"{forgotten:,} event ids were forgotten before the dedup window ended: repeats of them "
        "would count; raise processor.seen_ids_capacity"
    )
