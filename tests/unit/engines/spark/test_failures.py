"""What goes wrong in Spark becomes an error that says what to do."""

import pytest

from rtcdp.engines.spark.failures import SparkFailed, failure_of, is_away, is_slow_start
from rtcdp.log.contract import LogUnavailable, OffsetsMissing


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("x\nCaused by: org.apache.kafka.common.errors.TimeoutException: late", LogUnavailable),
        ("x\nrtcdp.log.contract.LogUnavailable: the registry is away\n\n\tat y", LogUnavailable),
        ("Some data may have been lost because they are not available in Kafka", OffsetsMissing),
        ("java.lang.OutOfMemoryError: Java heap space", SparkFailed),
    ],
)
def test_the_end_of_a_query_is_told_apart(said: str, kind: type[Exception]) -> None:
    failure = failure_of(RuntimeError(said), "clicks")
    assert type(failure) is kind
    assert failure.hint


def test_the_last_cause_is_what_is_said() -> None:
    text = "a\nCaused by: b: first\n\tat c\nCaused by: d: the real one\n\tat e"
    assert "d: the real one" in str(failure_of(RuntimeError(text), "clicks"))


def test_what_an_executor_waits_for_is_said_in_its_words() -> None:
    error = RuntimeError(
        "Traceback\nrtcdp.log.contract.LogUnavailable: the registry is away\n\tat x"
    )
    assert is_away(error)
    assert str(failure_of(error, "clicks")) == "the registry is away"


def test_a_python_that_did_not_start_in_time_may_start_the_next_time() -> None:
    assert is_slow_start(RuntimeError("x: Python worker failed to connect back.\n y"))
    assert not is_slow_start(RuntimeError("Python worker exited unexpectedly"))


@pytest.mark.parametrize(
    ("said", "is_so"),
    [
        ("TimeoutException: late", True),
        ("may have been lost", True),
        ("ARITHMETIC_OVERFLOW", False),
    ],
)
def test_what_says_that_kafka_is_away_is_no_record_s_fault(said: str, is_so: bool) -> None:
    assert is_away(RuntimeError(said)) == is_so
