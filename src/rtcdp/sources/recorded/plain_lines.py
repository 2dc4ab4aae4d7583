"""Recorded files whose lines are sent as they are: those of the stream of product updates.

Nothing is mapped and nothing judged here: that is the collector's, which names what it refuses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rtcdp.errors import PartMissing
from rtcdp.sources.pause import Pause
from rtcdp.sources.recorded.recorded_file import RecordedFile
from rtcdp.sources.sinks import Receipt, Sink

BATCH_LINES = 1_000


@dataclass(frozen=True)
class LinesSent:
    """How many lines there were that are not blank, what became of those that were sent, and which
    compressed files are broken: what comes before the break was sent."""

    records: int = 0
    receipt: Receipt = Receipt()
    damage: tuple[str, ...] = ()


def check_readable(files: Sequence[Path]) -> None:
    """Raises `PartMissing` for what is no file that can be read."""
    for path in files:
        if not path.is_file():
            raise PartMissing(f"{path} can't be read: it is no file", "name files that exist")


def send_lines(
    files: Sequence[Path],
    sink: Sink,
    pause: Pause,
    progress: Callable[[int], None] = lambda _: None,
) -> LinesSent:
    """Send the lines of all files, plain, gzip or zstd, in their order, or until `pause` says stop.

    `progress` takes the number of lines sent. Raises `PartMissing` for a file that can't be read,
    and what the sink raises.
    """
    records, receipt = 0, Receipt()
    damage: list[str] = []
    batch: list[bytes] = []
    for path in files:
        with RecordedFile(path) as file:
            for line in file.lines():
                if not line.text.strip():
                    continue
                batch.append(line.text)
                if len(batch) == BATCH_LINES:
                    records, receipt = records + len(batch), receipt + sink.write(batch)
                    batch = []
                    progress(records)
                    if pause(0):
                        return LinesSent(records, receipt, tuple(damage))
            damage += [] if file.damage is None else [file.damage]
    if batch:
        records, receipt = records + len(batch), receipt + sink.write(batch)
        progress(records)
    return LinesSent(records, receipt, tuple(damage))
