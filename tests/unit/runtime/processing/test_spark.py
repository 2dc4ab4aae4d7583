import pytest

from rtcdp.errors import UsageError
from rtcdp.runtime.processing.spark import java_options


def test_a_login_is_what_the_java_client_calls_it():
    found = java_options(
        {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "ada",
            "sasl.password": "secret",
        }
    )
    assert found["security.protocol"] == "SASL_SSL"
    assert found["sasl.mechanism"] == "SCRAM-SHA-512"
    assert "scram.ScramLoginModule" in found["sasl.jaas.config"]
    assert 'username="ada" password="secret"' in found["sasl.jaas.config"]


def test_a_plain_login_has_a_module_of_its_own():
    found = java_options({"sasl.mechanisms": "PLAIN", "sasl.username": "a", "sasl.password": "b"})
    assert "plain.PlainLoginModule" in found["sasl.jaas.config"]


def test_no_options_stay_none():
    assert java_options({}) == {}


def test_options_that_only_librdkafka_has_are_refused_by_name():
    with pytest.raises(UsageError, match=r"fetch\.error\.backoff\.ms"):
        java_options({"fetch.error.backoff.ms": "5"})
