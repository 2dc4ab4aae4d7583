"""Commits epochs to a store; run as module `committer STORE [FILE_BYTES_MAX]`.

Says `ready` when the first one is committed, and goes on until it is killed. With a limit, no file
may grow beyond it: it says `refused EPOCH COUNT` when a commit has failed, lifts the limit, commits
the same epoch again, says `resumed EPOCH COUNT` and ends.
"""

import resource
import sys
from pathlib import Path

from rtcdp.store import StoreUnavailable
from rtcdp.store.sqlite import SqliteStore
from rtcdp.testing.epochs import EpochMaker
from tests.chaos.store.moving_row import METRIC, STAYS, TABLE, next_epoch

FILLING = [{"raw": b"x" * 20_000}]


def main() -> None:
    store = SqliteStore(Path(sys.argv[1]))
    store.prepare([METRIC], [STAYS])
    progress = store.progress()
    epochs = EpochMaker(number=progress.epoch, next_offset=progress.next_offsets.get(0, 0))
    if len(sys.argv) > 2:
        run_into(int(sys.argv[2]), store, epochs)
        return
    while True:
        store.commit(next_epoch(epochs))
        say("ready")


def run_into(file_bytes_max: int, store: SqliteStore, epochs: EpochMaker) -> None:
    limit_files_to(file_bytes_max)
    while True:
        epoch = next_epoch(epochs, uncounted=FILLING)
        try:
            store.commit(epoch)
        except StoreUnavailable:
            break
    say(f"refused {store.progress().epoch} {count(store)}")
    limit_files_to(resource.RLIM_INFINITY)
    if store.progress().epoch < epoch.number:
        store.commit(epoch)
    say(f"resumed {store.progress().epoch} {count(store)}")
    store.close()


def limit_files_to(size_bytes: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))


def count(store: SqliteStore) -> int:
    return int(store.dump(TABLE)["n"].sum())


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
