"""Killed, or out of room, a store holds whole epochs and goes on from the last one."""

import random

import pytest

from rtcdp.store.sqlite import SqliteStore
from tests.chaos.store.moving_row import counted


def held_by(path):
    """Epoch, next offset, the row's count and all received, of one state."""
    store = SqliteStore(path, read_only=True)
    with store.snapshot() as snapshot:
        progress = snapshot.progress
        held = (
            progress.epoch,
            progress.next_offsets.get(0, 0),
            counted(snapshot),
            snapshot.ledger_totals()["received"],
        )
    store.close()
    return held


def test_a_process_killed_while_committing_leaves_whole_epochs(path, committer):
    seed = random.randrange(2**32)
    lengths = random.Random(seed)
    last = 0
    for _ in range(6):
        process = committer()
        said = [process.stdout.readline() for _ in range(lengths.randrange(1, 40))]
        process.kill()
        process.wait()
        acknowledged = last + len(said)
        epoch, next_offset, count, received = held_by(path)
        assert epoch == next_offset == count == received, f"seed {seed}"
        assert epoch >= acknowledged, f"seed {seed}"
        last = epoch


@pytest.mark.parametrize("file_bytes_max", [200_000, 333_333, 1_000_000])
def test_without_room_nothing_is_applied_and_with_room_it_goes_on(path, committer, file_bytes_max):
    process = committer(file_bytes_max)
    refused, resumed = (process.stdout.readline().split() for _ in range(2))
    assert process.wait() == 0
    assert refused[0] == "refused"
    assert refused[1] == refused[2]
    assert resumed == ["resumed", *[str(int(refused[1]) + 1)] * 2]
    epoch, next_offset, count, received = held_by(path)
    assert epoch == count == int(resumed[1])
    assert next_offset == received == 2 * epoch
