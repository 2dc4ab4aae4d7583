"""The commit of an epoch, for every engine: tried until it is known to be done; and who hears of
what an engine does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from rtcdp.store import (
    Epoch,
    EpochRefused,
    EpochReport,
    Progress,
    RowsGone,
    Store,
    StoreUnavailable,
)

TRYING_AGAIN = "; trying again"
"""How every sentence ends that says why an engine can't go on now."""


@dataclass(frozen=True)
class Listeners:
    """Who hears of what an engine does.

    `on_epoch` is called after every commit; `on_trouble` with a sentence, which ends with
    `TRYING_AGAIN` when that is what it does; `on_back` when log and store were there. While
    something new is filled, `on_filling` is told its name and which share of it is done (0 to 1),
    and `on_slice` is called after each slice; the native engine calls it in every round, and while
    it does whatever else takes long. `on_progress` is told the number of a batch of Spark's, and
    what its phases took, in milliseconds, by Spark's names.
    """

    on_epoch: Callable[[EpochReport], None] = lambda _: None
    on_trouble: Callable[[str], None] = lambda _: None
    on_back: Callable[[], None] = lambda: None
    on_filling: Callable[[str, float], None] = lambda _name, _share: None
    on_slice: Callable[[], None] = lambda: None
    on_progress: Callable[[int, Mapping[str, int]], None] = lambda _batch, _phases_ms: None


NOBODY = Listeners()


@dataclass(frozen=True)
class RetryPolicy:
    """How to wait while the store is away. `pause` takes seconds and returns early, with True,
    when it is time to stop; `on_trouble` takes a sentence."""

    retry_s: float
    pause: Callable[[float], bool]
    on_trouble: Callable[[str], None]


def commit_for_sure(
    store: Store,
    epoch: Epoch,
    patience: RetryPolicy,
    attempt: Callable[[], object] | None = None,
) -> None:
    """Commit, and go on trying while the store is away; an unknown outcome is looked up. `attempt`
    waits for a first attempt that was begun elsewhere, and raises what came of it.

    Raises what the store raises, but `StoreUnavailable` only when it is asked to stop meanwhile, or
    as `RowsGone`: then the epoch is to be made anew.
    """
    has_tried = False
    attempt = attempt or partial(store.commit, epoch)
    # A store that went away in the middle of a commit may have done it. To commit again would be
    # refused as an epoch that does not follow; not to commit again would lose it. So it is asked.
    while not (has_tried and has_committed(store, epoch)):
        try:
            attempt()
            return
        except EpochRefused:
            # The first attempt was under way in the server while it was asked, and has arrived
            # since.
            if has_tried and has_committed(store, epoch):
                return
            raise
        except RowsGone:
            # The same epoch would meet the same again: only another one can follow.
            raise
        except StoreUnavailable as error:
            has_tried, attempt = True, partial(store.commit, epoch)
            patience.on_trouble(f"{error}{TRYING_AGAIN}")
            if patience.pause(patience.retry_s):
                raise


def has_committed(store: Store, epoch: Epoch) -> bool:
    """Whether the store's progress is what this epoch leads to; False when it can't be asked."""
    try:
        progress = store.progress()
    except StoreUnavailable:
        return False
    # The number alone could be that of another processor, whose epoch counted other records.
    return progress.epoch == epoch.number and all(
        progress.next_offsets.get(partition) == offset
        for partition, offset in epoch.next_offsets.items()
    )


def progress_after(progress: Progress, epoch: Epoch) -> Progress:
    """Where a store at `progress` stands when the epoch is committed."""
    return Progress(
        epoch=epoch.number,
        next_offsets={**progress.next_offsets, **epoch.next_offsets},
        max_received_at={**progress.max_received_at, **epoch.max_received_at},
        committed_at=epoch.committed_at,
        engine=epoch.engine,
        log_id=epoch.log_id or progress.log_id,
        remembered_from={**progress.remembered_from, **epoch.remembered_from},
        decided_from={
            # Before the progress: the first that was ever said stays.
            **{span.partition: span.first_offset for span in epoch.spans},
            **progress.decided_from,
        },
        marks={**progress.marks, **epoch.marks},
        quiet_until=progress.quiet_until,
    )
