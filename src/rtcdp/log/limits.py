"""What bounds a log. Data alone, like `rtcdp.admission.rules`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

KeyField = Literal["userId", "productId"]
"""What a log's records are of."""

Headers = Sequence[tuple[str, bytes | None]]
"""Those of one message: names and values, in order."""

Translation = Callable[
    [Sequence[bytes | None], Sequence[Headers | None] | None], Sequence[bytes | None]
]
"""From messages of producers that write otherwise than we do to lines as ours, in the same places.

It is given values and headers of messages of one partition (None: a tombstone, no headers), and
leaves alone what is none of theirs. What can't be read becomes a line that says why
(`rtcdp.events.codec.unmapped_line`). What it says of a message may change between two runs: with
a schema that is registered by then, or another mapping. It raises `LogUnavailable` while it can't
say, and can be pickled."""

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
    that what was counted is committed to, so that Kafka's own tools show the lag. The messages of
    producers that use the `schema_registry` (its URL) become events by the `schema_mapping`.
    Where `topic_is_ours`, nobody but our collectors may mark a record as judged at intake: they do,
    and the native processor doesn't judge those again.
    """

    partitions: int = 4
    replication_factor: int = 1
    group: str = "rtcdp"
    schema_registry: str = ""
    schema_mapping: str = "events"
    topic_is_ours: bool = False


@dataclass(frozen=True)
class LogOptions:
    """How a log is opened; each takes what concerns it.

    `topic` says how one is made. A server that doesn't answer is waited for `patience_s`, or for
    as long as is usual. With `makes_topic`, a reader makes a topic that is missing at its first
    look; with `must_exist`, a writer makes no log. The field `keyed_by` of a record decides its
    partition, where there are several. A reader of messages has them go through `translation`.
    """

    topic: KafkaTopicSettings = KafkaTopicSettings()
    patience_s: float | None = None
    makes_topic: bool = False
    must_exist: bool = False
    keyed_by: KeyField = "userId"
    translation: Translation | None = None
