"""What bounds the Spark engine, and where it runs. Data alone, so that settings need no Spark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SparkLimits:
    """Where Spark runs and how much it does at a time.

    `master` is `local[N]` or the URL of a cluster. `jars` are the files of the Kafka connector,
    separated by commas; without them Spark fetches the connector from Maven Central. `checkpoint`
    is the folder that Spark keeps its own progress and the index of seen ids in; empty means
    `spark-checkpoint` in the data folder. `trigger_s` is the time from one batch to the next.
    `max_offsets_per_trigger` bounds a batch. `shuffle_partitions` 0 means as many as there are
    cores. `watermark_slack_ms` is how far apart in intake time partitions may be read.
    """

    master: str = "local[*]"
    jars: str = ""
    checkpoint: str = ""
    trigger_s: float = 1.0
    max_offsets_per_trigger: int = 1_000_000
    shuffle_partitions: int = 0
    watermark_slack_ms: int = 3_600_000
