"""What goes wrong in Spark, as errors that say what to do."""

import re

from rtcdp.errors import RtcdpError
from rtcdp.log.contract import LogUnavailable, OffsetsMissing


class SparkFailed(RtcdpError):
    """A query or a job of Spark's ended in a way that trying again does not mend."""


class StartAnew(Exception):
    """The query has to end and to start again, from where the store stands now."""


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
_TOLD = re.compile(r"rtcdp\.log\.contract\.LogUnavailable: ([^\n]+)")
"""What an executor says that can't read messages by itself."""

_SLOW = re.compile(r"Python worker failed to connect back")
_CAUSE = re.compile(r"Caused by: ([^\n]+)")
_SAID_CHARACTERS_MAX = 600


def is_away(error: BaseException) -> bool:
    """Whether this says that Kafka, or records in it, can't be had."""
    text = str(error)
    return bool(_GONE.search(text) or _AWAY.search(text) or _TOLD.search(text))


def is_slow_start(error: BaseException) -> bool:
    """Whether Spark gave up waiting for a Python process. It waits for ten seconds and can't be
    told otherwise; on a busy machine that is not always enough."""
    return bool(_SLOW.search(str(error)))


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
    if told := _TOLD.search(text):
        return LogUnavailable(told[1][:_SAID_CHARACTERS_MAX], "messages wait until it is back")
    if _AWAY.search(text):
        return LogUnavailable(f"Spark can't read the topic {topic}: {said}", "is Kafka running?")
    return SparkFailed(
        f"Spark's query ended: {said}",
        "see what Spark wrote before; the store is as it was after the last epoch, and a new start "
        "goes on from there",
    )
