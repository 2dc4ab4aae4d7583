"""The streaming query: Kafka, screening, the index of ids, and a batch handed over at a time."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody does
from pyspark.sql.streaming.query import StreamingQuery

from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.screening import Screening, screener
from rtcdp.engines.spark.slices import SCREENED_SCHEMA, SURVIVORS_SCHEMA
from rtcdp.engines.spark.surviving import pack_survivors
from rtcdp.log.log import LogReader

BatchHandler = Callable[[DataFrame, int], None]


@dataclass(frozen=True)
class KafkaSource:
    """What Spark reads: the topic on the brokers that `bootstrap` names, with `options` of Kafka's
    Java client. `log` reads the same topic, and tells where it begins and ends."""

    log: LogReader
    bootstrap: str
    topic: str
    options: Mapping[str, str] = field(default_factory=dict)


def delay_of(dedup_window_ms: int, slack_ms: int) -> int:
    """How far the watermark lies behind the newest intake time.

    Spark drops what is older than the watermark, and forgets an id when the watermark has passed
    its time by the same delay. So ids are kept for two delays, which must be the dedup window and
    the slack together; and nothing within the slack may be dropped.
    """
    return max(slack_ms, (dedup_window_ms + slack_ms + 1) // 2, 1)


def survivors(
    spark: SparkSession,
    source: KafkaSource,
    starts: Mapping[int, int] | None,
    screening: Screening,
    limits: SparkLimits,
) -> DataFrame:
    """The stream of `SURVIVORS_SCHEMA`. `starts` are the offsets to begin at; None where the
    checkpoint knows."""
    reader = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", source.bootstrap)
        .option("subscribe", source.topic)
        .option("startingOffsets", _starting_offsets(source.topic, starts))
        .option("maxOffsetsPerTrigger", limits.max_offsets_per_trigger)
        .option("failOnDataLoss", "true")
        .option("includeHeaders", "true")
        .option("kafka.isolation.level", "read_committed")
    )
    for name, value in source.options.items():
        reader = reader.option(f"kafka.{name}", value)
    records = reader.load().select(
        "value",
        "partition",
        "offset",
        "timestamp",
        # As text: a nested column takes ten times as long to bring into Python, even when empty.
        F.when(F.size("headers") > 0, F.to_json("headers")).alias("headers"),
    )
    delay_ms = delay_of(screening.rules.dedup_window_ms, limits.watermark_slack_ms)
    return (
        records.mapInArrow(screener(screening), SCREENED_SCHEMA)
        .withWatermark("received_at", f"{delay_ms} milliseconds")
        .dropDuplicatesWithinWatermark(["key"])
        .mapInArrow(pack_survivors, SURVIVORS_SCHEMA)
    )


def start_query(
    stream: DataFrame, checkpoint: str, limits: SparkLimits, handle: BatchHandler, *, once: bool
) -> StreamingQuery:
    """Start to hand over batches, in a thread of Spark's; with `once` up to the present end."""
    writer = (
        stream.writeStream.outputMode("update")
        .option("checkpointLocation", checkpoint)
        .foreachBatch(handle)
    )
    if once:
        return writer.trigger(availableNow=True).start()
    return writer.trigger(processingTime=f"{limits.trigger_s} seconds").start()


def _starting_offsets(topic: str, starts: Mapping[int, int] | None) -> str:
    if not starts:
        return "earliest"
    return json.dumps({topic: {str(partition): offset for partition, offset in starts.items()}})
