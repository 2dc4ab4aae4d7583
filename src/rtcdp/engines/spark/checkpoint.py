"""What Spark wrote down about its batches: where they end.

A checkpoint's folder has a file a batch under `offsets`, written before the batch runs, and one
under `commits`, written when it is done. Spark reads the same files when it starts again, so their
form is as lasting as a checkpoint is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from pyspark.sql import SparkSession

from rtcdp.engines.spark.failures import SparkFailed

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class PlannedBatch:
    """A batch as Spark planned it: the next offsets by partition."""

    next_offsets: Mapping[int, int]


_decode_offsets = msgspec.json.Decoder(dict[str, dict[str, int]]).decode


def parse_planned(text: str) -> PlannedBatch:
    """A file under `offsets`, as a batch of a query with one Kafka topic. Raises `SparkFailed`."""
    version, _, rest = text.partition("\n")
    _, _, offsets = rest.partition("\n")
    try:
        (partitions,) = _decode_offsets(offsets).values()
    except (msgspec.DecodeError, ValueError) as error:
        raise SparkFailed(
            f"Spark's checkpoint is written in a way that is not known here ({version}): {error}",
            "use the version of PySpark that rtcdp names, or delete the checkpoint: it is made anew"
            " from the log",
        ) from error
    return PlannedBatch({int(number): end for number, end in partitions.items()})


class Checkpoints:
    """The folders of checkpoints below a root, on whatever file system Spark is told of."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        self._root = root
        self._hadoop: Any = spark._jvm.org.apache.hadoop  # type: ignore[union-attr]
        self._read: Any = spark._jvm.org.apache.commons.io.IOUtils.toString  # type: ignore[union-attr]
        self._files: Any = self._hadoop.fs.Path(root).getFileSystem(
            spark._jsc.hadoopConfiguration()
        )

    def path(self, name: str) -> str:
        """Where the checkpoint of this name is, or would be."""
        return f"{self._root}/{name}"

    def names(self) -> list[str]:
        """The checkpoints that are there, sorted."""
        return sorted(self._listed(self._root))

    def delete(self, name: str) -> None:
        """Delete a checkpoint that nobody uses any more."""
        self._files.delete(self._hadoop.fs.Path(self.path(name)), True)

    def last_done(self, name: str) -> int | None:
        """The number of the last batch that was committed; None before the first."""
        return max(self._numbers(name, "commits"), default=None)

    def last_planned(self, name: str) -> int | None:
        """The number of the last batch that was planned; None before the first."""
        return max(self._numbers(name, "offsets"), default=None)

    def planned(self, name: str, batch: int) -> PlannedBatch:
        """What Spark planned for this batch. Raises `SparkFailed`."""
        place = self._hadoop.fs.Path(f"{self.path(name)}/offsets/{batch}")
        stream = self._files.open(place)
        try:
            return parse_planned(self._read(stream, "UTF-8"))
        finally:
            stream.close()

    def _numbers(self, name: str, part: str) -> list[int]:
        found = self._listed(f"{self.path(name)}/{part}")
        return [int(each) for each in found if _NUMBER.fullmatch(each)]

    def _listed(self, folder: str) -> list[str]:
        place = self._hadoop.fs.Path(folder)
        if not self._files.exists(place):
            return []
        return [status.getPath().getName() for status in self._files.listStatus(place)]
