"""The defaults of what bounds the Spark engine."""

from rtcdp.engines.spark.limits import SparkLimits


def test_the_defaults_run_on_this_machine_alone() -> None:
    limits = SparkLimits()
    assert limits.master.startswith("local")
    assert limits.max_offsets_per_trigger > 0
