"""What bounds the Spark engine, and where it runs. Data alone, so that settings need no Spark."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rtcdp.errors import UsageError

_TAKEN: Mapping[str, str] = {
    "spark.master": "use --master",
    "spark.jars": "use --jars",
    "spark.jars.packages": "name the files of all packages with --jars",
    "spark.ui.enabled": "use --spark-page",
    "spark.sql.session.timeZone": "times are UTC everywhere",
    "spark.sql.streaming.stateStore.providerClass": "the index of ids needs RocksDB",
    "spark.sql.streaming.noDataMicroBatches.enabled": "a batch without records is no epoch",
}
"""Settings of Spark's that are not to be given by name, and what to do instead."""


def conf_of(text: str) -> dict[str, str]:
    """Settings of Spark's from `NAME=VALUE`, one a line or with semicolons in between. Raises
    `UsageError` for what is none, or not to be given so."""
    found: dict[str, str] = {}
    for each in filter(None, map(str.strip, re.split(r"[;\n]", text))):
        name, equals, value = (part.strip() for part in each.partition("="))
        if not equals or not re.fullmatch(r"spark\.[\w.-]+", name):
            raise UsageError(
                f"{each!r} is no setting of Spark's", "give spark.NAME=VALUE, as spark-submit does"
            )
        if name in _TAKEN:
            raise UsageError(f"{name} is not given by its name here", _TAKEN[name])
        found[name] = value
    return found


@dataclass(frozen=True)
class SparkLimits:
    """Where Spark runs and how much it does at a time.

    `master` is `local[N]` or the URL of a cluster. `jars` are the files of the Kafka connector,
    separated by commas; without them Spark fetches the connector from Maven Central. `checkpoint`
    is the folder that Spark keeps its own progress and the index of seen ids in; empty means
    `spark-checkpoint` in the data folder. `trigger_s` is the time from one batch to the next.
    `max_offsets_per_trigger` and `max_bytes_per_trigger` bound a batch; the bytes are those of the
    records' values, and as exact as the records of a topic are of one size. `shuffle_partitions` 0
    means as many as there are cores. `page` is whether Spark shows its own page, and `conf` are
    further settings of Spark's, as `conf_of` reads them.
    """

    master: str = "local[*]"
    jars: str = ""
    checkpoint: str = ""
    trigger_s: float = 1.0
    max_offsets_per_trigger: int = 1_000_000
    max_bytes_per_trigger: int = 512 * 2**20
    shuffle_partitions: int = 0
    page: bool = False
    conf: str = ""
