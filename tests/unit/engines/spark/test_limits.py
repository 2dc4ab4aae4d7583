"""The defaults of what bounds the Spark engine."""

import pytest

from rtcdp.engines.spark.limits import SparkLimits, conf_of
from rtcdp.errors import UsageError


def test_the_defaults_run_on_this_machine_alone() -> None:
    limits = SparkLimits()
    assert limits.master.startswith("local")
    assert limits.max_offsets_per_trigger > 0


def test_settings_of_sparks_are_read_as_spark_submit_takes_them() -> None:
    assert conf_of("") == {}
    text = "spark.eventLog.enabled=true; spark.a.b = x=y\nspark.c="
    assert conf_of(text) == {"spark.eventLog.enabled": "true", "spark.a.b": "x=y", "spark.c": ""}


@pytest.mark.parametrize("text", ["true", "park.a=1", "spark.a b=1", "spark.jars=a.jar"])
def test_what_is_no_setting_of_sparks_or_not_given_so_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        conf_of(text)
