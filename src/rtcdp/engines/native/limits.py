"""What bounds the native engine, and what it keeps. Data alone, like `rtcdp.admission.rules`."""

from dataclasses import dataclass, replace

from rtcdp.admission.rules import SEEN_IDS_CAPACITY

REST_S_MAX = 0.5
"""What an epoch costs however little is in it takes less time than this. Who worked for longer had
much to do, and finds more of it, or nothing, sooner for not resting."""

SMALL_LOAD_RECORDS_PER_S, SMALL_EPOCH_REST_S = 250, 0.4
"""An epoch of few records costs as much as one of many times as many. Where fewer than so many come
in a second, what comes next is let gather for this time: who has little to count is nearly idle,
and still answers within a fraction of a second. The first event after a pause waits for nothing."""


LEASE_TTL_S_MIN = 3.0
"""A lease is renewed when a third of it is over, between two steps. A server or a caretaker that is
busy may well make one wait for a second, and a lease that ends meanwhile is taken from one who
lives."""


@dataclass(frozen=True)
class ProcessorLimits:
    """What bounds the engine.

    `max_batch_bytes`: how much of the log one epoch takes, `max_fetched_batch_bytes` at most of one
    that is fetched from a server, whose client holds as much again; and `max_fold_batch_bytes`
    where folds run: a user's story is written once an epoch, however much of it is new.
    `epoch_every_s`: the
    shortest time from one epoch to the next, so that a trickle of events does not keep a processor
    busy; one that keeps up rests as long as it worked, or `REST_S_MAX`, under a small load
    `SMALL_EPOCH_REST_S` at least, and one that is behind no longer than `epoch_every_s`. `poll_s`:
    the longest sleep while the log is at rest. `retry_s`: the pause before a commit is tried again.
    `seen_ids_capacity`: how many event ids are remembered.
    `expire_every_s`: how often old data is deleted. `erase_again_every_s`: the shortest time from
    one rewriting of the files to the next, where erased users' old events keep coming.
    `lease_ttl_s`: for how long the right to write to the store outlasts a processor that dies,
    `LEASE_TTL_S_MIN` at least.
    `shards`: into how many groups of partitions the log is divided, which several processors share.
    """

    max_batch_bytes: int = 16 * 2**20
    max_fetched_batch_bytes: int = 8 * 2**20
    max_fold_batch_bytes: int = 48 * 2**20
    epoch_every_s: float = 0.03
    poll_s: float = 0.25
    retry_s: float = 0.5
    seen_ids_capacity: int = SEEN_IDS_CAPACITY
    expire_every_s: float = 60.0
    erase_again_every_s: float = 86_400.0
    lease_ttl_s: float = 15.0
    shards: int = 1

    def of_fetched(self) -> "ProcessorLimits":
        """The limits for a log that is fetched from a server."""
        most = min(self.max_batch_bytes, self.max_fetched_batch_bytes)
        return replace(self, max_batch_bytes=most)

    def batch_bytes(self, *, has_folds: bool) -> int:
        """How much of the log one epoch takes."""
        return self.max_fold_batch_bytes if has_folds else self.max_batch_bytes

    def rest_s(
        self, worked_s: float, record_count: int, gathered_s: float, *, keeps_up: bool
    ) -> float:
        """How long to rest after an epoch that took so long, of so many records that gathered for
        so long. What is below 0 is no rest."""
        rest_s = self.epoch_every_s - worked_s
        if not (keeps_up and self.epoch_every_s):
            return rest_s
        # By what comes in a second, as after a short rest there is little of the greatest load.
        is_small = record_count < SMALL_LOAD_RECORDS_PER_S * gathered_s
        least_s = SMALL_EPOCH_REST_S if is_small else rest_s
        return max(rest_s, least_s, min(worked_s, REST_S_MAX))


@dataclass(frozen=True)
class StoreRetention:
    """How long the store keeps windows, by their own time, and how long the ledger's minutes and
    uncounted records. Windows of all years since the first stay unless told otherwise: recorded
    history may be old when it comes in."""

    windows_ms: int = 3_650_000 * 86_400_000
    uncounted_ms: int = 30 * 86_400_000


@dataclass(frozen=True)
class ProductLimits:
    """How much is remembered of one product: `max_versions`, the newest by their beginning."""

    max_versions: int = 1_000
