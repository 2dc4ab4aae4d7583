"""What bounds a log. Data alone, like `rtcdp.admission.rules`."""

import re
from dataclasses import dataclass
from typing import Literal

KeyField = Literal["userId", "productId"]
"""What a log's records are of."""

MAX_SOURCES = 100
"""How many different sources one log takes, so that what is labelled by source stays bounded."""

DEFAULT_SOURCE = "default"

SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""What a source may be called."""


@dataclass(frozen=True)
class Retention:
    """How long and how much to keep. Younger than `min_age_ms` is never deleted."""

    max_age_ms: int = 7 * 86_400_000
    max_bytes: int = 16 * 2**30
    min_age_ms: int = 3_600_000


@dataclass(frozen=True)
class KafkaTopicSettings:
    """How a topic is made when it is not there yet, and under which name its reader shows itself.

    `partitions` and `replication_factor` count for new topics only. `group` is the consumer group
    that what was counted is committed to, so that Kafka's own tools show the lag.
    """

    partitions: int = 4
    replication_factor: int = 1
    group: str = "rtcdp"


@dataclass(frozen=True)
class LogOptions:
    """How a log is opened; each takes what concerns it.

    `topic` says how one is made. A server that doesn't answer is waited for `patience_s`, or for
    as long as is usual. With `makes_topic`, a reader makes a topic that is missing at its first
    look; with `must_exist`, a writer makes no log. The field `keyed_by` of a record decides its
    partition, where there are several.
    """

    topic: KafkaTopicSettings = KafkaTopicSettings()
    patience_s: float | None = None
    makes_topic: bool = False
    must_exist: bool = False
    keyed_by: KeyField = "userId"
