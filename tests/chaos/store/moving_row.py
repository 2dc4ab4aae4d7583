"""What a process of these tests commits: with each epoch one more in one and the same row of a
metric, and a row of a row table that moves on.

So the row's count, the ledger, the epoch's number and the row's place always have to be equal.
"""

from dataclasses import replace

from rtcdp.definitions import Count, Metric, RowTable, tables_of, tumbling
from rtcdp.store import Scan
from rtcdp.store.checksums import check_sums
from rtcdp.testing.epochs import change, row_changes

METRIC = Metric("views", "Views", tumbling(minutes=1), (Count("n"),), key=("userId",))
[TABLE] = tables_of(METRIC)
STAYS = RowTable(
    "stays",
    (("userId", "text"), ("start", "integer"), ("epoch", "integer")),
    group_key=("userId",),
    order=("start",),
)


def next_epoch(epochs, **fields):
    """The next epoch of an `EpochMaker`."""
    epoch = epochs.make(change(TABLE, (0, "ada", 1)), **fields)
    number = epoch.number
    moved = row_changes(STAYS, [("ada", number - 1)], [("ada", number, number), ("bob", 0, number)])
    return replace(epoch, rows=(moved,))


def counted(snapshot):
    """The count of the row. Raises `AssertionError` when the row table does not agree with it."""
    count = snapshot.scan(Scan(TABLE))["n"].sum()
    expected = [("ada", count, count), ("bob", 0, count)] if count else []
    assert snapshot.row_page(STAYS).rows() == expected
    assert check_sums(snapshot, [METRIC], row_tables=[STAYS]).is_sound
    return count
