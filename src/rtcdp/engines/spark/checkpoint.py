"""Spark's checkpoint and the store's progress, brought together.

A checkpoint continues one run of epochs. When another engine has committed since, when metrics have
changed or the log is another one, it leads nowhere any more, and a new one is begun.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rtcdp.store.store import Progress
from rtcdp.vocabulary.metric import Metric

_ABOUT = "rtcdp.json"


@dataclass(frozen=True)
class Checkpoint:
    """A folder of Spark's, and per partition the offset that counting began at with it."""

    folder: Path
    counted_from: Mapping[int, int]

    def ends_of(self, batch_id: int) -> dict[int, int] | None:
        """Per partition the offset that a batch ends at; None before Spark planned it."""
        path = self.folder / "offsets" / str(batch_id)
        if batch_id < 0 or not path.exists():
            return None
        source = json.loads(path.read_text(encoding="utf-8").splitlines()[2])
        (topic,) = source.values()
        return {int(partition): int(offset) for partition, offset in topic.items()}

    def watermark_of(self, batch_id: int) -> int:
        """Rows before this (UTC ms) were dropped by Spark in this batch."""
        lines = (self.folder / "offsets" / str(batch_id)).read_text(encoding="utf-8").splitlines()
        return int(json.loads(lines[1])["batchWatermarkMs"])


def checkpoint_for(
    base: Path,
    progress: Progress,
    metrics: Sequence[Metric],
    log_id: str,
    counted_from: Mapping[int, int],
) -> tuple[Checkpoint, bool]:
    """The checkpoint to go on with, and whether it is a new one that counts from `counted_from`."""
    meaning = f"{log_id} {sorted((metric.name, metric.fingerprint) for metric in metrics)}"
    mark = hashlib.sha256(meaning.encode()).hexdigest()[:12]
    for about in sorted(base.glob(f"*/{_ABOUT}")):
        known = json.loads(about.read_text(encoding="utf-8"))
        found = Checkpoint(
            about.parent, {int(p): offset for p, offset in known["counted_from"].items()}
        )
        if known["mark"] == mark and _continues(found, progress):
            return found, False
    folder = base / f"{mark}-{progress.epoch}"
    shutil.rmtree(base, ignore_errors=True)
    folder.mkdir(parents=True)
    text = json.dumps({"mark": mark, "counted_from": dict(counted_from)})
    (folder / _ABOUT).write_text(text, encoding="utf-8")
    return Checkpoint(folder, dict(counted_from)), True


def _continues(checkpoint: Checkpoint, progress: Progress) -> bool:
    """Whether the store stands where one of the last two batches of the checkpoint ends, or where
    the checkpoint began."""
    batches = [int(path.name) for path in (checkpoint.folder / "offsets").glob("[0-9]*")]
    last = max(batches, default=-1)
    reached = [checkpoint.ends_of(batch) for batch in (last, last - 1)]
    begun = [dict(checkpoint.counted_from)] if last <= 0 else []
    candidates = [ends for ends in reached if ends is not None] + begun
    filling = last >= 0 and not any(
        end > checkpoint.counted_from.get(partition, 0)
        for partition, end in (checkpoint.ends_of(last) or {}).items()
    )
    if filling:
        candidates.append(dict(checkpoint.counted_from))
    return any(_is_at(progress, ends, checkpoint) for ends in candidates)


def _is_at(progress: Progress, ends: Mapping[int, int], checkpoint: Checkpoint) -> bool:
    at = progress.next_offsets
    from_start = checkpoint.counted_from
    return all(
        at.get(partition, from_start.get(partition, 0)) == max(end, from_start.get(partition, 0))
        for partition, end in ends.items()
    )
