"""A small stream of the kind that the Spark engine runs, so that its classes are loaded once.

python -m tests.spark_training FOLDER
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, Row
from pyspark.sql.streaming import StatefulProcessor

from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.session import spark_session

FILES = 3


class Seen(StatefulProcessor):
    """Keeps something of each key, as the index of ids does."""

    def init(self, handle):
        """Called by Spark in every task."""
        self._entries = handle.getValueState("entries", "entries long")
        self._seen = handle.getMapState("seen", "text string", "count long")

    def handleInputRows(self, key, rows, timerValues):  # noqa: N802, N803, ARG002 - Spark's names
        """One bucket's rows of a batch."""
        entries = 0
        for row in rows:
            self._seen.updateValue((row.value,), (1,))
            entries += 1
        self._entries.update((entries,))
        yield Row(found=key[0], entries=entries)

    def close(self):
        """There is nothing to close."""


def with_buckets(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        buckets = pa.array([len(str(text)) % 3 for text in batch["value"]], pa.int64())
        yield pa.record_batch([batch["value"], buckets], ["value", "bucket"])


def counted(batch: DataFrame, _: int) -> None:
    batch.persist()
    batch.createOrReplaceTempView("batch")
    batch.sparkSession.sql("SELECT found, sum(entries) FROM batch GROUP BY found").toArrow()
    batch.unpersist()


def train(folder: Path) -> None:
    """Run the stream, and return when the JVM has ended."""
    inbox = folder / "in"
    inbox.mkdir()
    for number in range(FILES):
        (inbox / f"{number}.txt").write_text("".join(f"{'x' * n}\n" for n in range(1, 20)))
    # Classes from elsewhere than Spark's own folder, such as the connector's, can't be archived.
    limits = SparkLimits(master="local[2]", jars=str(folder / "none.jar"))
    with spark_session(limits) as session:
        gateway = session.sparkContext._gateway
        (
            session.readStream.option("maxFilesPerTrigger", 1)
            .text(str(inbox))
            .mapInArrow(with_buckets, "value string, bucket long")
            .groupBy("bucket")
            .transformWithState(Seen(), "found long, entries long", "Update", "None")
            .writeStream.outputMode("update")
            .foreachBatch(counted)
            .option("checkpointLocation", str(folder / "checkpoint"))
            .trigger(availableNow=True)
            .start()
            .awaitTermination()
        )
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()


if __name__ == "__main__":
    train(Path(sys.argv[1]))
