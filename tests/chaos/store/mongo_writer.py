"""A process that commits epochs to a store on MongoDB, and is killed or stopped by itself.

Each epoch's content follows from its number, so that whoever comes next goes on where it ended. The
tables' bounds and the pieces in which plans are written and carried out are small, and old versions
are soon forgotten: there are many moments at which a commit can be interrupted, and in each epoch
something is trimmed.
"""

import itertools
import os
import random
import signal
import sys
import threading
import time
from dataclasses import replace

from pymongo import monitoring

from rtcdp.definitions import (
    Count,
    Distinct,
    Metric,
    Minimum,
    RowTable,
    TopK,
    tables_of,
    tumbling,
)
from rtcdp.engines.commit import RetryPolicy, commit_for_sure
from rtcdp.store import LeaseLost
from rtcdp.store.mongo import MongoStore
from rtcdp.store.mongo import apply as mongo_apply
from rtcdp.store.mongo import connection as mongo_connection
from rtcdp.store.mongo import plan as mongo_plan
from rtcdp.store.mongo import readable as mongo_readable
from rtcdp.store.mongo import rows as mongo_rows
from rtcdp.testing.epochs import EpochMaker, change, row_changes

METRIC = Metric(
    "reach",
    "Reach",
    tumbling(minutes=1),
    (Count("n"), Minimum("least"), Distinct("users", "userId"), TopK("top", "productId")),
    key=("pageUrl",),
)
BUCKETS, MEMBERS, ITEMS = (
    table if table.bound == "none" else replace(table, capacity=3) for table in tables_of(METRIC)
)
STAYS = RowTable(
    "stays",
    (("userId", "text"), ("start", "integer"), ("epoch", "integer"), ("packed", "bytes")),
    group_key=("userId",),
    order=("start",),
)
TABLES = (BUCKETS, MEMBERS, ITEMS, STAYS)
RECORDS = 3
EPOCH_MS = 40
LEASE_MS = 1000
LOST = 7
"""The exit code of a process that could not write any more, because another one had taken over."""


def epoch_of(number):
    """The epoch of this number: one more for each of four rows, some members and items, and some
    rows that are replaced and deleted."""
    rng = random.Random(number)
    pages = ("/a", "/b")
    epochs = EpochMaker(number=number - 1, next_offset=(number - 1) * RECORDS)
    rows = [(start, page, 1, rng.random()) for start in (0, 60_000) for page in pages]
    members = {(0, rng.choice(pages), rng.randrange(100)) for _ in range(4)}
    items = {(0, rng.choice(pages), f"p{rng.randrange(30)}"): rng.randrange(1, 5) for _ in "1234"}
    made = epochs.make(
        change(BUCKETS, *rows),
        change(MEMBERS, *members),
        change(ITEMS, *((*place, count) for place, count in items.items())),
        admitted=RECORDS - 1,
        uncounted=[{"raw": b"x" * rng.randrange(300)}],
        received_at=number * EPOCH_MS,
        event_times=(number, number + 5),
    )
    return replace(made, rows=(stays_of(number, rng),))


def stays_of(number, rng):
    """Of twelve rows, some that are written anew and some that are deleted."""
    keys = rng.sample([(user, start) for user in "abcd" for start in (0, 1, 90_000_000)], 8)
    put = [(*key, number, rng.randbytes(9)) for key in keys[:5]]
    return row_changes(STAYS, delete=keys[5:], put=put)


class Interruption(monitoring.CommandListener):
    """Sends a signal to this process just before one of its commands goes to the server."""

    def __init__(self, number: signal.Signals) -> None:
        self._lock = threading.Lock()
        self._left = 0
        self._signal = number
        monitoring.register(self)

    def arm(self, at: int) -> None:
        """Let it be the command number `at` from now; 0 for none."""
        self._left = at

    def started(self, event) -> None:
        del event
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._signal)

    def succeeded(self, event) -> None:
        """Nothing is to be done."""

    def failed(self, event) -> None:
        """Nothing is to be done."""


def write_in_small_pieces() -> None:
    mongo_apply.ROWS_AT_ONCE = 3
    mongo_rows.ROWS_AT_ONCE = 2
    # Longer than a leader is overtaken for.
    mongo_rows.GONE_KEPT_MS = 6 * EPOCH_MS
    mongo_connection.TASKS_AT_ONCE = 1
    mongo_plan.INLINE_BYTES_MAX = 500
    mongo_plan.CHUNK_BYTES_MAX = 700
    mongo_readable.READABLE_MS = 2 * EPOCH_MS
    mongo_readable.KEPT_EVERY_MS = 5 * EPOCH_MS


def commit_next(url: str, killed_at: int = 0) -> None:
    """Prepare the store and commit the next epoch; killed at a command of that, if at all."""
    write_in_small_pieces()
    interruption = Interruption(signal.SIGKILL)
    store = MongoStore(url)
    interruption.arm(killed_at)
    store.prepare([METRIC], [STAYS])
    store.commit(epoch_of(store.progress().epoch + 1))
    store.close()


def lead(url: str, stopped_at: int) -> None:
    """Take the lease and commit two epochs, stopped at a command of the first one's commit. Ends
    with `LOST` when the second one is refused.

    Commits as engines do: to who has stood still, it looks as though the server had gone away.
    """
    write_in_small_pieces()
    interruption = Interruption(signal.SIGSTOP)
    store = MongoStore(url)
    store.acquire_lease("first", now_ms=0, ttl_ms=LEASE_MS)
    store.prepare([METRIC], [STAYS])
    epoch = epoch_of(store.progress().epoch + 1)
    interruption.arm(stopped_at)
    patience = RetryPolicy(0.05, time.sleep, print)
    try:
        commit_for_sure(store, epoch, patience)
        interruption.arm(0)
        commit_for_sure(store, epoch_of(epoch.number + 1), patience)
    except LeaseLost:
        sys.exit(LOST)
    store.close()


def commit_on_and_on(url: str) -> None:
    """Commit one epoch after another until killed."""
    store = MongoStore(url)
    store.prepare([METRIC], [STAYS])
    for number in itertools.count(store.progress().epoch + 1):
        store.commit(epoch_of(number))
