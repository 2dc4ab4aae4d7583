"""The invariant that every store checks before an epoch is committed: the ledger balances."""

from rtcdp.engines.engine import VERDICTS, Epoch
from rtcdp.errors import RtcdpError


class EpochUnbalanced(RtcdpError):
    """An epoch accounts for more or fewer records than it read. Nothing of it was applied."""


def check_balance(epoch: Epoch) -> None:
    """Raises `EpochUnbalanced` unless received = admitted + duplicate + late + dead_letter in every
    row of the epoch's ledger, and all received together are what its spans read."""
    read = sum(span.next_offset - span.first_offset for span in epoch.spans) - epoch.gaps
    received = 0
    for row in epoch.ledger.iter_rows(named=True):
        accounted = sum(row[verdict] for verdict in VERDICTS)
        lowest = min(row["conflict"], *(row[verdict] for verdict in VERDICTS))
        if row["received"] != accounted or lowest < 0 or row["conflict"] > row["duplicate"]:
            raise EpochUnbalanced(
                f"the ledger of epoch {epoch.number} does not balance: {row}",
                "this is a defect of the engine; report it with this message",
            )
        received += accounted
    if received != read:
        raise EpochUnbalanced(
            f"epoch {epoch.number} read {read} records and accounts for {received}",
            "this is a defect of the engine; report it with this message",
        )
