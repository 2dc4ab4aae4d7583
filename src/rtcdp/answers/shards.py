"""How each shard of a divided store is: whose it is, what waits in it, when it last counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from rtcdp.answers.freshness import Installation
from rtcdp.log.contract import LogExtent
from rtcdp.store import Progress
from rtcdp.store.division import Division, ShardState


@dataclass(frozen=True)
class ShardShown:
    """A shard: its partitions, as far as anything is known of them, how many offsets wait in them
    (None where the log can't be asked), when it last committed (UTC ms; None: never), and whether a
    processor has it. Nothing becomes final while one `is_awaited`: it has counted no event yet, and
    nobody has seen yet that none waits there."""

    shard: int
    partitions: tuple[int, ...]
    waiting: int | None
    committed_at: int | None
    has_processor: bool
    is_awaited: bool = False


def shards_of(installation: Installation) -> tuple[ShardShown, ...]:
    """The shards of the store; none where it is not divided. Raises `StoreUnavailable`."""
    with installation.store.snapshot() as snapshot:
        progress = snapshot.progress
    return shards_at(installation, progress)


def shards_at(installation: Installation, progress: Progress) -> tuple[ShardShown, ...]:
    """The shards as one reading of the store found them."""
    if not progress.shards:
        return ()
    log, extents = installation.log, None
    if log is not None:
        found = installation.sight.extents(log)
        extents = None if isinstance(found, str) else found
    now_ms = installation.clock.now_ms()
    return tuple(_shown(state, progress, extents, now_ms) for state in progress.shards)


def without_processor(progress: Progress, now_ms: int) -> tuple[int, ...]:
    """The shards that no processor has."""
    return tuple(each.shard for each in progress.shards if not each.is_held(now_ms))


def awaited(progress: Progress) -> tuple[int, ...]:
    """The shards that have counted no event yet, and keep everything from becoming final: until it
    is seen that there is none."""
    if not progress.shards:
        return ()
    division = Division(len(progress.shards))
    unseen = (partition for partition, at in progress.reached.items() if not at)
    return tuple(sorted({division.shard_of(partition) for partition in unseen}))


def _shown(
    state: ShardState, progress: Progress, extents: Sequence[LogExtent] | None, now_ms: int
) -> ShardShown:
    division = Division(len(progress.shards))
    own = [each for each in extents or () if division.shard_of(each.partition) == state.shard]
    known = {p for p in progress.next_offsets if division.shard_of(p) == state.shard}
    waiting = None
    if extents is not None:
        counted = progress.next_offsets
        waiting = sum(
            max(0, each.next_offset - max(each.first_offset, counted.get(each.partition, 0)))
            for each in own
        )
    return ShardShown(
        shard=state.shard,
        partitions=tuple(sorted(known | {each.partition for each in own})),
        waiting=waiting,
        committed_at=state.committed_at or None,
        has_processor=state.is_held(now_ms),
        is_awaited=state.shard in awaited(progress),
    )
