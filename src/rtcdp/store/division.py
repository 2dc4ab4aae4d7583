"""How a store is divided among several writers: by shards, groups of the log's partitions.

Every shard has its own row of epochs, and the right to commit them is its own lease. A shard's
epochs are numbered by themselves; the store counts the commits of all of them, and that number is
what readers see.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Division:
    """Into how many shards a log of so many partitions is divided. One shard is no division."""

    shards: int = 1
    partitions: int = 0

    def shard_of(self, partition: int) -> int:
        """The shard that a partition belongs to."""
        return partition % self.shards

    def partitions_of(self, shard: int) -> tuple[int, ...]:
        """The partitions of a shard."""
        return tuple(range(shard, self.partitions, self.shards))


@dataclass(frozen=True)
class ShardState:
    """How far a shard is, and whose it is. `epoch` is the number of its last epoch, `committed_at`
    when that was committed (UTC ms; 0: never). `holder` names its processor in one line of text;
    the lease with this `token` may be taken over after `expires_at` (UTC ms)."""

    shard: int
    epoch: int = 0
    committed_at: int = 0
    token: int = 0
    holder: str = ""
    expires_at: int = 0

    def is_held(self, now_ms: int) -> bool:
        """Whether a processor has it."""
        return self.expires_at > now_ms


@dataclass(frozen=True)
class Shards:
    """The state of a division. It is `is_open` when all that belongs to the store as a whole (its
    definitions, the rules, what is filled from the log) is in order, and shards may be taken.
    `members` are the processors that share them, by what names each, with the time (UTC ms) until
    which it is taken to live. The `caretaker` is known by the same name, and until when it is."""

    division: Division = Division()
    is_open: bool = False
    states: tuple[ShardState, ...] = ()
    members: Mapping[str, int] = field(default_factory=dict)
    caretaker: str = ""
    caretaker_until: int = 0


def share_of(member: str, members: Iterable[str], shards: int) -> int:
    """How many of the shards a member should have, of all that live: the same number each, and the
    first ones by name one more where they don't come out even."""
    ordered = sorted({*members, member})
    least, more = divmod(shards, len(ordered))
    return least + (ordered.index(member) < more)
