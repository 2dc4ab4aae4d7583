"""The fence that every store puts before a commit: an epoch has to follow what is counted."""

from rtcdp.engines.engine import Epoch
from rtcdp.store.store import EpochRefused, Progress


def check_follows(progress: Progress, epoch: Epoch) -> None:
    """Raises `EpochRefused` unless the epoch is of shard 0, has the next number, is of the log that
    was counted, and starts in every partition where the store has counted up to."""
    if epoch.shard != 0:
        raise EpochRefused(
            f"epoch {epoch.number} is of shard {epoch.shard}, and this store has only shard 0",
            "give all partitions to one engine",
        )
    if epoch.number != progress.epoch + 1:
        raise EpochRefused(
            f"epoch {epoch.number} does not follow the store's epoch {progress.epoch}",
            "another engine has committed; read the store's progress and start again from there",
        )
    if progress.log_id and epoch.log_id and progress.log_id != epoch.log_id:
        raise EpochRefused(
            f"the store has counted the log {progress.log_id}, and this epoch is of {epoch.log_id}",
            "give a new log a store of its own",
        )
    reached = dict(progress.next_offsets)
    for span in epoch.spans:
        if reached.get(span.partition, span.first_offset) != span.first_offset:
            raise EpochRefused(
                f"epoch {epoch.number} starts at offset {span.first_offset} of partition"
                f" {span.partition}, but the store has counted up to {reached[span.partition]}",
                "if the log was replaced by another one, give it a store of its own",
            )
        reached[span.partition] = span.next_offset
