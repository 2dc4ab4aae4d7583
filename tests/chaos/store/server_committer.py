"""Commits epochs to a store on a server; run as module `server_committer URL HOLDER TTL_MS`.

Takes the lease, says `ready EPOCH` after each commit and goes on until it is killed, whatever
happens to the server. Says `held` or `lost` and ends when another one has the lease.
"""

import sys
import time

from rtcdp.engines.commit import RetryPolicy, commit_for_sure
from rtcdp.store import LeaseHeld, LeaseLost, StoreUnavailable
from rtcdp.store.postgres import PostgresStore
from rtcdp.testing.epochs import EpochMaker
from tests.chaos.store.moving_row import METRIC, STAYS, next_epoch

ANSWER_TIMEOUT_S = 2.0
RETRY_S = 0.1


def main() -> None:
    url, holder, ttl_ms = sys.argv[1], sys.argv[2], int(sys.argv[3])
    store = PostgresStore(url, answer_timeout_s=ANSWER_TIMEOUT_S)
    try:
        persist(lambda: store.acquire_lease(holder, now_ms(), ttl_ms))
        persist(lambda: store.prepare([METRIC], [STAYS]))
        commit_for_ever(store, ttl_ms)
    except LeaseHeld:
        say("held")
    except LeaseLost:
        say("lost")


def commit_for_ever(store: PostgresStore, ttl_ms: int) -> None:
    progress = persist(store.progress)
    epochs = EpochMaker(number=progress.epoch, next_offset=progress.next_offsets.get(0, 0))
    patience = RetryPolicy(RETRY_S, pause, lambda _: None)
    while True:
        epoch = next_epoch(epochs)
        commit_for_sure(store, epoch, patience)
        say(f"ready {epoch.number}")
        persist(lambda: store.renew_lease(now_ms(), ttl_ms))


def persist(step):
    while True:
        try:
            return step()
        except StoreUnavailable:
            time.sleep(RETRY_S)


def pause(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
