"""What a store offers beside its contract where several processors may write to it, each a shard.

A shard's writer is a `Store` as well: whoever counts a whole log can count a part of it. What
belongs to the store as a whole is looked after by its caretaker, one process at a time.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from rtcdp.admission.rules import AdmissionRules
from rtcdp.store.contract import EpochRefused, Store, StoreUnavailable
from rtcdp.store.division import Division, Shards


class ShardsClosed(StoreUnavailable):
    """No shard may be taken now: the store is being made ready for other definitions, rules or
    another division, or waits for a process that does so."""


class OtherDefinitions(EpochRefused):
    """The store keeps other definitions up to date, or decides by other rules, than whoever wants
    to count a shard. Nothing was applied."""


class DivisionChanged(EpochRefused):
    """The log has other partitions than those that the store is divided by. Nothing was applied."""


class MisplacedUser(EpochRefused):
    """A record lies in another shard than its user does: the log is not keyed by user, or was given
    more partitions while it was counted in shards. Nothing of its batch was applied."""

    exit_code = 2


class Caretaker(Store, Protocol):
    """The writer of what belongs to the whole of a divided store. Its lease is the store's own: no
    processor of the whole log may have it meanwhile."""

    def close_shards(self, division: Division) -> None:
        """Divide the store so, and take every shard from whoever has it."""
        ...

    def open_shards(self, first_offsets: Mapping[int, int]) -> None:
        """Let the shards be taken. `first_offsets` say where each partition of the log begins; a
        shard that has counted nothing yet keeps windows from becoming final until it has."""
        ...

    def shards(self) -> Shards:
        """How it is divided."""
        ...

    def is_ready(self, wanted: Mapping[str, str], rules: AdmissionRules) -> bool:
        """Whether the store keeps exactly the definitions with these fingerprints up to date, and
        decides by these rules."""
        ...


@runtime_checkable
class DividedStore(Protocol):
    """A store that can be divided. `acquire_lease` of the store itself is for whoever processes the
    whole log: it raises `LeaseHeld` while any shard is held, and ends the division else."""

    def shards(self) -> Shards:
        """How it is divided, who has what, and who lives."""
        ...

    def check_fits(self, wanted: Mapping[str, str], rules: AdmissionRules) -> None:
        """Raises `OtherDefinitions` unless the shards count by exactly the definitions with these
        fingerprints, and by these rules."""
        ...

    def report_member(self, member: str, now_ms: int, ttl_ms: int) -> None:
        """Let the others know that a processor lives until `now_ms + ttl_ms`; with a `ttl_ms` of 0
        that it doesn't any more."""
        ...

    def caretaker(self) -> Caretaker:
        """The same store for its caretaker. Closed by itself."""
        ...

    def shard(self, number: int) -> Store:
        """The same store for the processor of one shard: its `progress` is that of the shard. It
        prepares nothing and fills nothing: it raises `ShardsClosed` while that isn't done, and
        `OtherDefinitions` when it was done for others. Closed by itself."""
        ...
