"""The Spark session: on the application of this process if there is one, else on a new one."""

import importlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from rtcdp.engines.spark.failures import SparkFailed
from rtcdp.engines.spark.limits import SparkLimits, conf_of
from rtcdp.errors import PartMissing

CONNECTOR = "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0"
_ROCKSDB = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_log = logging.getLogger(__name__)

_LOCAL_MEMORY = "2g"
_OF_SESSIONS = "spark.sql."
_SLICE_RECORDS_MAX = 50_000
_SLICE_BYTES_MAX = 32 * 2**20


@contextmanager
def spark_session(limits: SparkLimits) -> Iterator[SparkSession]:
    """A session of its own. An application that had to be started for it ends with it.

    Raises `PartMissing` where a package is missing that Spark's keyed state needs, `SparkFailed`
    when this process has an application with another master, and what Spark raises when it can't
    start one.
    """
    running = _running_application()
    if running is not None and running.sparkContext.master != limits.master:
        raise SparkFailed(
            f"this process runs Spark on {running.sparkContext.master} already, not on "
            f"{limits.master}",
            "use one master a process, or end the other application first",
        )
    _require_protobuf()
    application = _started(limits) if running is None else running
    try:
        session = application.newSession()
        cores = application.sparkContext.defaultParallelism
        for name, value in session_settings(limits, cores).items():
            session.conf.set(name, value)
        yield session
    finally:
        if running is None:
            application.stop()


def application_settings(limits: SparkLimits) -> dict[str, str]:
    """What a Spark application is started with. Raises `UsageError` for a bad `conf`."""
    settings = {
        "spark.ui.enabled": str(limits.page).lower(),
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
    }
    settings |= {"spark.jars": limits.jars} if limits.jars else {"spark.jars.packages": CONNECTOR}
    is_local = limits.master.startswith("local")
    if is_local:
        settings["spark.driver.memory"] = _LOCAL_MEMORY
    if is_local or urlsplit(limits.master).hostname in _LOOPBACK:
        settings["spark.driver.host"] = settings["spark.driver.bindAddress"] = "127.0.0.1"
    return settings | conf_of(limits.conf)


def session_settings(limits: SparkLimits, cores: int) -> dict[str, str]:
    """What a session of ours is set to, on an application with so many cores."""
    given = {name: at for name, at in conf_of(limits.conf).items() if name.startswith(_OF_SESSIONS)}
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(limits.shuffle_partitions or cores),
        # A batch's jobs are small: planning them anew between stages costs more than it saves.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(_SLICE_RECORDS_MAX),
        "spark.sql.execution.arrow.maxBytesPerBatch": str(_SLICE_BYTES_MAX),
        "spark.sql.streaming.stateStore.providerClass": _ROCKSDB,
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        # Ids are forgotten with the next batch that has records; one without is not needed.
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
    } | given


def _require_protobuf() -> None:
    try:
        importlib.import_module("google.protobuf")
    except ImportError as error:
        raise PartMissing(
            "spark needs protobuf for its keyed state, which is not installed",
            "run `make full` in the checkout, or `pip install 'rtcdp[spark]'`",
        ) from error


def _running_application() -> SparkSession | None:
    try:
        return SparkSession.active()
    except PySparkRuntimeError:
        return None


def _started(limits: SparkLimits) -> SparkSession:
    # Executors of a local Spark would take the system's Python otherwise.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = application_settings(limits)
    if settings.get("spark.driver.bindAddress") == "127.0.0.1":
        # Spark's page listens where this says, and everywhere without it.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master(limits.master).appName("rtcdp")
    for name, value in settings.items():
        builder = builder.config(name, value)
    application = builder.getOrCreate()
    application.sparkContext.setLogLevel("ERROR")
    if limits.page:
        _log.info("Spark's page is at %s", application.sparkContext.uiWebUrl)
    return application
