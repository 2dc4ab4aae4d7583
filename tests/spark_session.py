"""A Spark application for all tests of a process: starting one takes seconds."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.session import application_settings, session_settings

CORES = 2
MASTER = f"local[{CORES}]"


class Application:
    """Starts when it is asked for, and again after it was stopped."""

    def __init__(self, jars: tuple[Path, ...]) -> None:
        self._jars = jars
        self._session: SparkSession | None = None

    def session(self) -> SparkSession:
        if self._session is None:
            self._session = self._started()
        return self._session

    def stop(self) -> None:
        if self._session is not None:
            self._session.stop()
            self._session = None

    def _started(self) -> SparkSession:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        limits = SparkLimits(master=MASTER, jars=",".join(map(str, self._jars)))
        builder = SparkSession.builder.master(MASTER).appName("tests")
        settings = application_settings(limits) | session_settings(limits, CORES)
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        return session


@pytest.fixture(scope="session")
def spark_application(spark_jars: tuple[Path, ...]) -> Iterator[Application]:
    application = Application(spark_jars)
    yield application
    application.stop()


@pytest.fixture
def spark(spark_application: Application) -> SparkSession:
    """The `SparkSession` of an application on two cores, which every `SparkProcessor` uses too."""
    return spark_application.session()


@pytest.fixture
def no_spark(spark_application: Application) -> None:
    """This process has no application while the test begins: it starts one of its own."""
    spark_application.stop()
