"""The streaming query: Kafka, decoding, the index of ids, and a batch handed over at a time."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody does
from pyspark.sql.group import GroupedData
from pyspark.sql.streaming.query import StreamingQuery

from rtcdp.engines.spark.decoding import Decoding, decoder, translator
from rtcdp.engines.spark.exchange import DECODED_SCHEMA, JUDGED_SCHEMA
from rtcdp.engines.spark.judging import BucketJudge
from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.log.contract import LogReader
from rtcdp.log.limits import Translation

_SAMPLED_PARTITIONS = 8
_SAMPLE_BYTES = 2**18
_POLL_RECORDS_MAX = 10_000

BatchHandler = Callable[[DataFrame, int], None]


@dataclass(frozen=True)
class KafkaSource:
    """What Spark reads: the topic on the brokers that `bootstrap` names, with `options` of Kafka's
    Java client; executors have its messages go through `translation`. `log` reads the same topic,
    and tells where it begins and ends."""

    log: LogReader
    bootstrap: str
    topic: str
    options: Mapping[str, str] = field(default_factory=dict)
    translation: Translation | None = None


def judged(
    spark: SparkSession,
    source: KafkaSource,
    filled_from: Mapping[int, int] | None,
    decoding: Decoding,
    offsets_per_trigger: int,
) -> DataFrame:
    """The stream of `JUDGED_SCHEMA`, which begins where records are counted, with an index that was
    filled by those before, `filled_from` these offsets on; None where the checkpoint knows."""
    starts = None if filled_from is None else decoding.counted_from
    reader = (
        spark.readStream.format("kafka")
        .options(**_options_of(source))
        .option("subscribe", source.topic)
        .option("startingOffsets", _starting_offsets(source.topic, starts))
        .option("maxOffsetsPerTrigger", offsets_per_trigger)
    )
    judge = BucketJudge(decoding.rules.dedup_window_ms)
    ids = _ids_before(spark, source, filled_from or {}, decoding)
    # Intake times are plain numbers in there: Spark is told of no event time and drops nothing.
    return (
        _columns_of(reader.load(), source.translation)
        .mapInArrow(decoder(decoding), DECODED_SCHEMA)
        .groupBy("bucket")
        .transformWithState(judge, JUDGED_SCHEMA, "Update", "None", ids)
    )


def _ids_before(
    spark: SparkSession, source: KafkaSource, starts: Mapping[int, int], decoding: Decoding
) -> GroupedData | None:
    """By bucket, the ids of the records from `starts` on that are not to be counted; None where
    there are none of these."""
    ranges = {
        partition: (start, decoding.counted_from[partition])
        for partition, start in starts.items()
        if start < decoding.counted_from[partition]
    }
    if not ranges:
        return None
    decoded = read_between(spark, source, ranges).mapInArrow(decoder(decoding), DECODED_SCHEMA)
    return decoded.where("bucket >= 0").groupBy("bucket")


def read_between(
    spark: SparkSession, source: KafkaSource, ranges: Mapping[int, tuple[int, int]]
) -> DataFrame:
    """The records in these ranges of offsets, by partition, in the columns that the stream has."""
    starts = {partition: start for partition, (start, _) in ranges.items()}
    ends = {partition: end for partition, (_, end) in ranges.items()}
    reader = (
        spark.read.format("kafka")
        .options(**_options_of(source))
        .option("assign", json.dumps({source.topic: sorted(ranges)}))
        .option("startingOffsets", _offsets(source.topic, starts))
        .option("endingOffsets", _offsets(source.topic, ends))
    )
    return _columns_of(reader.load(), source.translation)


def offsets_per_trigger(limits: SparkLimits, record_bytes: float) -> int:
    """How many records of this mean size a batch may take; one at least."""
    by_bytes = int(limits.max_bytes_per_trigger / max(record_bytes, 1.0))
    return max(1, min(limits.max_offsets_per_trigger, by_bytes))


def record_bytes_in(log: LogReader, next_offsets: Mapping[int, int]) -> float:
    """The mean size of the values that come next in the log; 0 where nothing waits."""
    total = count = 0
    for partition, offset in list(next_offsets.items())[:_SAMPLED_PARTITIONS]:
        records = log.read(partition, offset, _SAMPLE_BYTES)
        total += len(records.lines) + sum(len(record.raw) for record in records.odd)
        count += records.record_count
    return total / count if count else 0.0


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
    return _offsets(topic, starts) if starts else "earliest"


def _offsets(topic: str, offsets: Mapping[int, int]) -> str:
    return json.dumps({topic: {str(partition): offset for partition, offset in offsets.items()}})


def _options_of(source: KafkaSource) -> dict[str, str]:
    return {
        "kafka.bootstrap.servers": source.bootstrap,
        "failOnDataLoss": "true",
        "includeHeaders": "true",
        "kafka.isolation.level": "read_committed",
        # With each poll, Spark asks the broker where the partition begins and ends.
        "kafka.max.poll.records": str(_POLL_RECORDS_MAX),
        **{f"kafka.{name}": value for name, value in source.options.items()},
    }


def _columns_of(records: DataFrame, translation: Translation | None) -> DataFrame:
    columns = records.select(
        "value",
        "partition",
        "offset",
        "timestamp",
        # As text: a nested column takes ten times as long to bring into Python, even when empty.
        F.when(F.size("headers") > 0, F.to_json("headers")).alias("headers"),
    )
    if translation is None:
        return columns
    return columns.mapInArrow(translator(translation), columns.schema)
