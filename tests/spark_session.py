"""A Spark application for the tests of one module: starting one takes seconds."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.session import application_settings

MASTER = "local[2]"


@pytest.fixture(scope="module")
def spark(spark_jars: tuple[Path, ...]) -> Iterator[SparkSession]:
    """The `SparkSession` of an application on two cores, which every `SparkProcessor` uses too."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    limits = SparkLimits(master=MASTER, jars=",".join(map(str, spark_jars)))
    builder = SparkSession.builder.master(MASTER).appName("tests")
    for name, value in application_settings(limits).items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
