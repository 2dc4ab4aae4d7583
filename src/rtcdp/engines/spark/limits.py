"""What bounds the Spark engine, and where it runs. Data alone, so that settings need no Spark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SparkLimits:
    """Where Spark runs and how much it does at a time.

    `master` is `local[N]` or the URL of a cluster. `jars` are the files of the Kafka connector,
    separated by commas; without them Spark fetches the connector from Maven Central. `checkpoint`
    is the folder that Spark keeps its own progress and the index of seen ids in; empty means
    `spark-checkpoint` in the data folder. `trigger_s` is the time from one batch to the next.
    `max_offsets_per_trigger` and `max_bytes_per_trigger` bound a batch; the bytes are those of the
    records' values, and as exact as the records of a topic are of one size. `shuffle_partitions` 0
    means as many as there are cores.
    """

    master: str = "local[*]"
    jars: str = ""
    checkpoint: str = ""
    trigger_s: float = 1.0
    max_offsets_per_trigger: int = 1_000_000
    max_bytes_per_trigger: int = 512 * 2**20
    shuffle_partitions: int = 0
