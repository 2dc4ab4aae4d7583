"""The Spark session: made with what the engine needs, or the one that is there already."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from rtcdp.engines.spark.limits import SparkLimits

CONNECTOR = "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0"
_ROCKSDB = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

_SLICE_RECORDS_MAX = 50_000
_SLICE_BYTES_MAX = 32 * 2**20


@contextmanager
def spark_session(limits: SparkLimits) -> Iterator[SparkSession]:
    """A session of its own, on the Spark application of this process if there is one.

    An application that had to be started ends with it. Raises what Spark raises.
    """
    running = SparkSession.getActiveSession()
    application = running if running is not None else _application(limits)
    session = application.newSession()
    for name, value in _session_settings(limits, session).items():
        session.conf.set(name, value)
    try:
        yield session
    finally:
        if running is None:
            application.stop()


def _application(limits: SparkLimits) -> SparkSession:
    # Executors of a local Spark would take the system's Python otherwise.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(limits.master).appName("rtcdp")
    for name, value in application_settings(limits).items():
        builder = builder.config(name, value)
    application = builder.getOrCreate()
    application.sparkContext.setLogLevel("ERROR")
    return application


def application_settings(limits: SparkLimits) -> dict[str, str]:
    """The settings that a Spark application is started with."""
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
    }
    settings |= {"spark.jars": limits.jars} if limits.jars else {"spark.jars.packages": CONNECTOR}
    if limits.master.startswith("local") or urlsplit(limits.master).hostname in _LOOPBACK:
        settings["spark.driver.host"] = settings["spark.driver.bindAddress"] = "127.0.0.1"
    return settings


def _session_settings(limits: SparkLimits, session: SparkSession) -> dict[str, str]:
    partitions = limits.shuffle_partitions or session.sparkContext.defaultParallelism
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(partitions),
        # A batch's jobs are small: planning them anew between stages costs more than it saves.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(_SLICE_RECORDS_MAX),
        "spark.sql.execution.arrow.maxBytesPerBatch": str(_SLICE_BYTES_MAX),
        "spark.sql.streaming.stateStore.providerClass": _ROCKSDB,
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        # Ids expire with the next batch that has records; a batch without any would be for nothing.
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
    }
