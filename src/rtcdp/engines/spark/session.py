"""The Spark session that the engine runs in."""

import os
import sys
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from rtcdp.engines.spark.limits import SparkLimits

CONNECTOR = "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0"

_ROCKSDB = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
_LOOPBACK = ("127.0.0.1", "localhost")
ARROW_RECORDS = 20_000
"""How many records become a slice at most."""


def open_session(limits: SparkLimits) -> SparkSession:
    """A session on `limits.master`. Executors use this process's Python unless `PYSPARK_PYTHON`
    names another one."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(limits.master).appName("rtcdp")
    for name, value in _settings_of(limits).items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


def _settings_of(limits: SparkLimits) -> dict[str, str]:
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.streaming.stateStore.providerClass": _ROCKSDB,
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        "spark.sql.streaming.metricsEnabled": "false",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(ARROW_RECORDS),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.driver.maxResultSize": "0",
        "spark.python.worker.reuse": "true",
    }
    if limits.shuffle_partitions:
        settings["spark.sql.shuffle.partitions"] = str(limits.shuffle_partitions)
    elif limits.master.startswith("local"):
        settings["spark.sql.shuffle.partitions"] = str(os.cpu_count() or 2)
    if limits.master.startswith("local") or urlsplit(limits.master).hostname in _LOOPBACK:
        settings["spark.driver.host"] = "127.0.0.1"
        settings["spark.driver.bindAddress"] = "127.0.0.1"
    if limits.jars:
        settings["spark.jars"] = limits.jars
    else:
        settings["spark.jars.packages"] = CONNECTOR
    return settings
