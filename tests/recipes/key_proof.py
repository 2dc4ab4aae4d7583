"""A key expression in one place: on both engines it is what the oracle says."""

from rtcdp.admission.rules import AdmissionRules
from rtcdp.catalog.reference import section
from rtcdp.definitions import Count, Metric, TopK, tables_of, tumbling
from rtcdp.events.derived import UrlSection
from rtcdp.testing.driver import START_MS, Driver
from rtcdp.verify.oracle import Oracle

METRIC = Metric(
    "sections",
    "Sections",
    tumbling(minutes=1),
    (Count("views"), TopK("top", UrlSection())),
    (UrlSection(called="part"),),
)


def test_it_is_counted_as_the_oracle_says(tmp_path):
    driver = Driver([METRIC], tmp_path)
    for page in ("/shop/shoes?size=7", "https://x.example/shop", "/cart", "no path", None):
        event = {"userId": "ada", "eventType": "VIEW", "timestamp": START_MS, "pageUrl": page}
        driver.feed(event)
    found = {window["part"]: window["views"] for window in driver.windows("sections")}
    assert found == {"/shop": 2, "/cart": 1}
    rows = Oracle([METRIC], AdmissionRules()).feed(driver.log.records()).rows
    for table in tables_of(METRIC):
        width = len(table.primary_key)
        dumped = {row[:width]: list(row[width:]) for row in driver.dump()[table.name].rows()}
        assert dumped == rows[table.name]
    driver.close()


def test_the_docs_of_a_metric_say_what_it_is():
    assert "first part of the path of `pageUrl`" in section(METRIC)
