"""A measure in one file: folded, stored, answered, put into words and told by the oracle."""

import pytest
from rtcdp.definitions.measures.geometric_mean import GeometricMean

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.definition import faults_of
from rtcdp.catalog.reference import section
from rtcdp.definitions import Metric, event_type, tables_of, tumbling
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.verify.oracle import Oracle
from tests.recipes.store_proof import run

METRIC = Metric(
    "prices",
    "Prices",
    tumbling(minutes=1),
    (GeometricMean("mean"), GeometricMean("paid", where=event_type("PURCHASE"))),
    ("userId",),
)


def test_it_is_counted_as_the_oracle_says(tmp_path):
    assert faults_of(METRIC) == []
    driver = Driver([METRIC], tmp_path)
    for kind, value in [("VIEW", 1.0), ("PURCHASE", 4.0), ("VIEW", 16.0), ("VIEW", -1.0)]:
        driver.feed({"userId": "ada", "eventType": kind, "timestamp": START_MS, "value": value})
    (window,) = driver.windows("prices")
    assert (window["mean"], window["paid"]) == pytest.approx((4.0, 4.0))
    (table,) = tables_of(METRIC)
    width = len(table.primary_key)
    found = {row[:width]: list(row[width:]) for row in driver.dump()["prices"].rows()}
    assert found == Oracle([METRIC], AdmissionRules()).feed(driver.log.records()).rows["prices"]
    driver.close()


def test_the_docs_of_a_metric_say_what_it_is():
    assert "the geometric mean of `value`" in section(METRIC)


def test_it_passes_the_conformance_suite():
    run(
        *("pytest", "-q", "-p", "no:cacheprovider", "tests/conformance/answers/test_measures.py"),
        *("--engines", "native", "--stores", "sqlite"),
    )
