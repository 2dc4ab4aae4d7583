"""What Spark is started with."""

from rtcdp.engines.spark.limits import SparkLimits
from rtcdp.engines.spark.session import CONNECTOR, application_settings, session_settings


def test_a_local_spark_is_reached_from_this_machine_alone() -> None:
    settings = application_settings(SparkLimits(master="local[2]"))
    assert settings["spark.driver.bindAddress"] == "127.0.0.1"
    assert settings["spark.ui.enabled"] == "false"


def test_a_cluster_elsewhere_must_reach_the_driver() -> None:
    assert "spark.driver.host" not in application_settings(SparkLimits(master="spark://far:7077"))
    near = application_settings(SparkLimits(master="spark://127.0.0.1:7077"))
    assert near["spark.driver.host"] == "127.0.0.1"


def test_the_connector_is_fetched_unless_its_jars_are_given() -> None:
    assert application_settings(SparkLimits())["spark.jars.packages"] == CONNECTOR
    given = application_settings(SparkLimits(jars="a.jar,b.jar"))
    assert given["spark.jars"] == "a.jar,b.jar"
    assert "spark.jars.packages" not in given


def test_it_shuffles_in_as_many_parts_as_there_are_cores_unless_told_otherwise() -> None:
    name = "spark.sql.shuffle.partitions"
    assert session_settings(SparkLimits(), 6)[name] == "6"
    assert session_settings(SparkLimits(shuffle_partitions=3), 6)[name] == "3"


def test_what_is_given_by_name_comes_last() -> None:
    given = SparkLimits(conf="spark.driver.memory=3g;spark.sql.adaptive.enabled=true", page=True)
    application = application_settings(given)
    assert (application["spark.driver.memory"], application["spark.ui.enabled"]) == ("3g", "true")
    settings = session_settings(given, 2)
    assert settings["spark.sql.adaptive.enabled"] == "true"
    assert "spark.driver.memory" not in settings
