"""What goes wrong in Spark, as errors that say what to do."""

import re

from rtcdp.errors import RtcdpError
from rtcdp.log.log import LogUnavailable, OffsetsMissing


class SparkFailed(RtcdpError):
    """A query or a job of Spark's ended in a way that trying again does not mend."""


class WatermarkPassed(RtcdpError):
    """Records came so much later than others of their time that Spark's index of event ids had
    moved on: it can't tell any more whether they are duplicates. Nothing of their batch was
    committed."""


_GONE = re.compile(
    r"data loss|failOnDataLoss|OffsetOutOfRange|may have been (missed|lost)|was changed from"
    r"|KAFKA_DATA_LOSS|partitions? .* (gone|deleted)",
    re.IGNORECASE,
)
_AWAY = re.compile(
    r"TimeoutException|DisconnectException|BrokerNotAvailable|NetworkException"
    r"|LeaderNotAvailable|NotLeaderOrFollower|UnknownTopicOrPartition|Connection refused"
    r"|No resolvable bootstrap|CoordinatorNotAvailable|KafkaStorageException"
)
_CAUSE = re.compile(r"Caused by: ([^\n]+)")
_SAID_CHARACTERS_MAX = 600


def watermark_passed(partition: int, offset: int, behind_ms: int) -> WatermarkPassed:
    """An error for a record that lies `behind_ms` behind the watermark."""
    return WatermarkPassed(
        f"the record at offset {offset} of partition {partition} was taken in {behind_ms} ms before"
        " what Spark still has the event ids of",
        f"raise spark.watermark_slack_ms by more than {behind_ms} and start again: nothing was lost"
        " or counted twice; where producers set the records' times themselves, let the topic have "
        "message.timestamp.type=LogAppendTime",
    )


def failure_of(error: BaseException, topic: str) -> RtcdpError:
    """What the end of a query means: `OffsetsMissing`, `LogUnavailable` or `SparkFailed`."""
    text = str(error)
    causes = _CAUSE.findall(text)
    said = (causes[-1] if causes else text)[:_SAID_CHARACTERS_MAX]
    if _GONE.search(text):
        return OffsetsMissing(
            f"Spark finds the topic {topic} without records that come next: {said}",
            "let the topic keep its records for longer; to go on without the missing ones, give it "
            "a new store",
        )
    if _AWAY.search(text):
        return LogUnavailable(f"Spark can't read the topic {topic}: {said}", "is Kafka running?")
    return SparkFailed(
        f"Spark's query ended: {said}",
        "see what Spark wrote before; the store is as it was after the last epoch, and a new start "
        "goes on from there",
    )
